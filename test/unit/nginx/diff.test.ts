import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as v from 'valibot';
import { describe } from '../../../agent/resources/nginx/describe.ts';
import { diff } from '../../../agent/resources/nginx/diff.ts';
import type { Found, NginxState } from '../../../agent/resources/nginx/observe.ts';
import { nginx } from '../../../desired-state/schema/nginx.ts';
import { Secret } from '../../../desired-state/schema/secret.ts';

const file = (text: string, mode = 0o644): Found => ({ type: 'file', text, mode, uid: 0, gid: 0 });
const link = (target: string): Found => ({ type: 'link', target });
const TODO = 'server { listen 80; }\n';
const right: Readonly<Record<string, Found>> = {
  'sites-available/todo': file(TODO),
  'sites-enabled/todo': link('/etc/nginx/sites-available/todo'),
};
const unit: NginxState['unit'] = {
  unit: 'nginx.service',
  load: 'loaded',
  active: 'active',
  sub: 'running',
  unitFile: 'enabled',
  needsDaemonReload: false,
  mainPid: 7,
  mainStarted_ms: 1,
  activeSince_ms: 1,
  stateChanged_ms: 1,
  files: [],
  result: 'success',
};
const section = { sites: { todo: { content: TODO } } };

interface Case {
  readonly name: string;
  readonly entry?: object;
  readonly found?: Readonly<Record<string, Found>>;
  readonly unmanaged?: Readonly<Record<string, Found>>;
  readonly unit?: Partial<NginxState['unit']>;
  readonly stale?: readonly string[];
  readonly leftover?: boolean;
  readonly plan: readonly string[];
  readonly hazard?: string;
}

const cases: readonly Case[] = [
  { name: 'a right tree and its workers need nothing', plan: [] },
  {
    name: 'a relative link is as right as an absolute one',
    found: { ...right, 'sites-enabled/todo': link('../sites-available/todo') },
    plan: [],
  },
  {
    name: 'a blank host',
    found: {},
    unit: { load: 'not-found', active: 'inactive', sub: 'dead', unitFile: 'absent' },
    plan: ['create sites-available/todo, enable site "todo", start'],
  },
  {
    name: 'a new site is a reload',
    found: {},
    plan: ['create sites-available/todo, enable site "todo", reload'],
    hazard: 'reload',
  },
  {
    name: 'stale workers are a reload',
    stale: ['/etc/nginx/nginx.conf'],
    plan: ['reload (its workers run since before a change of /etc/nginx/nginx.conf)'],
    hazard: 'reload',
  },
  {
    name: 'many changed files are cut short',
    stale: ['/a', '/b', '/c', '/d', '/e'],
    plan: ['reload (its workers run since before a change of /a, /b, /c and 2 more)'],
  },
  {
    name: 'a swap reloads stale workers too',
    found: {},
    stale: ['/a'],
    plan: ['create sites-available/todo, enable site "todo", reload'],
  },
  {
    name: 'nginx that died is started',
    unit: { active: 'failed', sub: 'failed', result: 'signal' },
    plan: ['start (it is failed/failed, signal)'],
    hazard: 'none',
  },
  {
    name: 'nginx that nobody wants to run is left alone',
    entry: { ...section, running: false },
    unit: { active: 'inactive', sub: 'dead', unitFile: 'disabled' },
    plan: [],
  },
  {
    name: 'its files are kept right all the same',
    entry: { ...section, running: false },
    found: {},
    unit: { active: 'inactive', sub: 'dead' },
    plan: ['create sites-available/todo, enable site "todo"'],
    hazard: 'none',
  },
  {
    name: 'nginx that runs although nobody asked for it reads what is new',
    entry: { ...section, running: false },
    found: {},
    plan: ['create sites-available/todo, enable site "todo", reload'],
  },
  {
    name: 'a mask goes',
    unit: { load: 'masked', unitFile: 'masked', active: 'inactive', sub: 'dead' },
    plan: ['unmask (it is masked, but declared running)', 'start (it is inactive/dead)', 'enable (it is masked)'],
  },
  {
    name: 'a site that only lies ready',
    entry: { sites: { todo: { content: TODO, enabled: false } } },
    plan: ['remove sites-enabled/todo, reload'],
  },
  {
    name: 'an absent site',
    entry: { sites: { todo: 'absent' } },
    plan: ['remove sites-enabled/todo, remove sites-available/todo, reload'],
    hazard: 'reload',
  },
  { name: 'an undeclared site without purge', unmanaged: { 'sites-enabled/x': file('x') }, plan: [] },
  {
    name: 'an undeclared site with purge',
    entry: { ...section, purge: true },
    unmanaged: { 'sites-enabled/x': file('x') },
    plan: ['remove sites-enabled/x, which is not declared, reload'],
    hazard: 'destructive',
  },
  {
    name: 'an undeclared link with purge, whose file stays',
    entry: { ...section, purge: true },
    unmanaged: { 'sites-enabled/x': link('../sites-available/x') },
    plan: ['remove sites-enabled/x, which is not declared, reload'],
    hazard: 'reload',
  },
  { name: 'an interrupted swap', leftover: true, plan: ['remove /etc/.nginx.holdfast, which an interrupted run left'] },
  {
    name: 'a fragment gets its ending',
    entry: { conf: { tuning: { content: 'gzip on;\n' } } },
    plan: ['create conf.d/tuning.conf, reload'],
  },
  {
    name: 'a file with a secret is for root alone',
    entry: { sites: { todo: { content: new Secret(TODO) } } },
    plan: ['set sites-available/todo to mode 0600 (is 0644), reload'],
  },
];

for (const one of cases) {
  test(one.name, () => {
    const spec = { ...v.parse(nginx.entry, one.entry ?? section), name: 'nginx' };
    const changes = diff(spec, {
      unit: { ...unit, ...one.unit },
      found: new Map(Object.entries(one.found ?? right)),
      unmanaged: new Map(Object.entries(one.unmanaged ?? {})),
      newerThanWorkers: one.stale ?? [],
      leftover: one.leftover ?? false,
    });
    const described = changes.map((change) => describe(change));
    assert.deepEqual(
      described.map(({ summary }) => summary),
      one.plan,
    );
    if (one.hazard !== undefined) assert.equal(described[0]?.hazard, one.hazard);
  });
}

test('no secret stands in a diff, neither the new one nor what was there', () => {
  const content = new Secret('set $token "s3cret-new";\n', ['s3cret-new']);
  const spec = { ...v.parse(nginx.entry, { sites: { todo: { content } } }), name: 'nginx' };
  const before = new Map([['sites-available/todo', file('set $token "s3cret-old";\n', 0o600)]]);
  const state = { unit, unmanaged: new Map(), newerThanWorkers: [], leftover: false };
  for (const wanted of [
    spec,
    { ...spec, sites: { todo: 'absent' as const } },
    { ...spec, sites: { todo: { content: 'plain', enabled: true } } },
  ]) {
    const text = JSON.stringify(diff(wanted, { ...state, found: before }).map((change) => describe(change)));
    assert.ok(!text.includes('s3cret'), text);
  }
});

const refused: readonly [string, unknown, RegExp][] = [
  ['a site with two texts', { sites: { a: { content: 'x', template: 'y' } } }, /exactly one of/],
  ['a site without a text', { sites: { a: {} } }, /exactly one of/],
  ['a name with a slash', { sites: { '../a': 'absent' } }, /file name/],
  ['a word that is not absent', { sites: { a: 'gone' } }, /expected "absent"/],
];
for (const [name, entry, message] of refused) {
  test(`${name} is refused`, () => {
    const issues = v.safeParse(nginx.entry, entry).issues ?? [];
    const all = issues.flatMap((issue) => [issue, ...(issue.issues ?? [])]).map((issue) => issue.message);
    assert.ok(
      all.some((text) => message.test(text)),
      all.join('\n'),
    );
  });
}
