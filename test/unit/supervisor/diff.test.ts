import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as v from 'valibot';
import { describe as describeChange } from '../../../agent/resources/supervisor/describe.ts';
import { desiredFiles, startBound_ms } from '../../../agent/resources/supervisor/desired.ts';
import { diff } from '../../../agent/resources/supervisor/diff.ts';
import type { ActualFile, State } from '../../../agent/resources/supervisor/observe.ts';
import { reveal, Secret } from '../../../desired-state/schema/secret.ts';
import { supervisor } from '../../../desired-state/schema/supervisor.ts';

const NONE = { added: [], changed: [], removed: [] };

function specOf(section: unknown) {
  return { ...v.parse(supervisor.entry, section), name: 'supervisor' };
}

const web = specOf({ programs: { web: { command: '/bin/web', environment: { KEY: new Secret('hunter22') } } } });

function process(name: string, state: string, group = name) {
  return { group, name, state, pid: state === 'RUNNING' ? 7 : 0, started_ms: 0, spawnError: '', exitStatus: 1 };
}

function converged(spec: ReturnType<typeof specOf>): State {
  const files = new Map<string, ActualFile>();
  for (const file of desiredFiles(spec)) {
    if (file.text !== undefined) files.set(file.path, { text: reveal(file.text), mode: file.mode, uid: 0, gid: 0 });
  }
  const names = Object.keys(spec.programs);
  return { files, processes: names.map((name) => process(name, 'RUNNING')), changes: NONE, broken: undefined };
}

const WEB = '/etc/supervisor/conf.d/web.conf';
const X = '/etc/supervisor/conf.d/x.conf';
const foreign: ActualFile = { text: '[program:x]\ncommand=/bin/x\n', mode: 0o644, uid: 0, gid: 0 };
const good = converged(web);
const owned = good.files.get(WEB) ?? foreign;

const cases: readonly (readonly [string, Partial<State>, readonly RegExp[], Partial<typeof web>?])[] = [
  ['nothing differs', {}, []],
  ['the file is gone', { files: new Map() }, [/^create web\.conf; run web/]],
  [
    'the text differs',
    { files: new Map([[WEB, { ...owned, text: '[program:web]\n' }]]) },
    [/^rewrite web\.conf; run web/],
  ],
  [
    'only the mode differs',
    { files: new Map([[WEB, { ...owned, mode: 0o644 }]]) },
    [/^set mode 0600 of web\.conf \(is 0644\)$/],
  ],
  [
    'only the owner differs',
    { files: new Map([[WEB, { ...owned, uid: 5 }]]) },
    [/^set owner 0:0 of web\.conf \(is owner 5:0\)$/],
  ],
  [
    'it runs an older configuration',
    { changes: { ...NONE, changed: ['web'] } },
    [/^run web with its new configuration$/],
  ],
  ['it is not known', { processes: [], changes: { ...NONE, added: ['web'] } }, [/^run web/]],
  ['it is stopped', { processes: [process('web', 'STOPPED')] }, [/^start web \(is STOPPED\)$/]],
  ['it gave up', { processes: [process('web', 'FATAL')] }, [/^start web \(is FATAL\)$/]],
  ['it is about to start', { processes: [process('web', 'STARTING')] }, []],
  ['supervisord is away', { processes: undefined }, [/^start supervisord/]],
  [
    'somebody else has a file',
    {
      files: new Map([
        [WEB, owned],
        [X, foreign],
      ]),
    },
    [],
  ],
  [
    'somebody else has a file, and it goes',
    {
      files: new Map([
        [WEB, owned],
        [X, foreign],
      ]),
    },
    [/^remove x\.conf; stop x$/],
    { purge: true },
  ],
  ['a group without a file goes', { changes: { ...NONE, removed: ['x'] } }, [/^stop x$/], { purge: true }],
  ['the slot of a release is left alone', { changes: { ...NONE, removed: ['todo-blue'] } }, [], { purge: true }],
  ['a file of somebody else is broken', { broken: 'x.conf, line: 1' }, [/cannot be read: x\.conf, line: 1/]],
];

describe('diff of supervisor', () => {
  for (const [name, change, summaries, spec = {}] of cases) {
    it(`${name}: ${summaries.length === 0 ? 'no change' : String(summaries[0])}`, () => {
      const changes = diff({ ...web, ...spec }, { ...good, ...change }).map(describeChange);
      assert.equal(changes.length, summaries.length, JSON.stringify(changes));
      for (const [index, pattern] of summaries.entries()) assert.match(changes[index]?.summary ?? '', pattern);
      assert.doesNotMatch(JSON.stringify(changes), /hunter22/);
    });
  }

  it('masks a secret that only the old file held', () => {
    const bare = specOf({ programs: { web: { command: '/bin/web' } } });
    const changes = diff(bare, good).map(describeChange);
    assert.match(changes[0]?.diff ?? '', /^-\*\*\*$/m);
    assert.doesNotMatch(JSON.stringify(changes), /hunter22/);
  });

  it('stops what shall be stopped, and does not start it with supervisord', () => {
    const idle = specOf({ programs: { web: { command: '/bin/web', ensure: 'stopped' } } });
    const changes = diff(idle, converged(idle));
    assert.deepEqual(
      changes.map((change) => change.kind),
      ['stop'],
    );
    assert.match(reveal(desiredFiles(idle)[0]?.text ?? ''), /^autostart=false$/m);
  });

  it('leaves a program alone that ended well and need not run again', () => {
    const once = specOf({ programs: { web: { command: '/bin/web', autorestart: false } } });
    const ended = { ...process('web', 'EXITED'), exitStatus: 0 };
    assert.deepEqual(diff(once, { ...converged(once), processes: [ended] }), []);
    assert.equal(diff(once, { ...converged(once), processes: [{ ...ended, exitStatus: 2 }] }).length, 1);
  });

  it('waits for all the attempts that supervisord makes', () => {
    assert.equal(startBound_ms(1, 3) - startBound_ms(0, 0), 10_000);
  });
});

describe('the section supervisor', () => {
  const refused: readonly (readonly [string, unknown, RegExp])[] = [
    ['a comment in a command', { programs: { a: { command: 'a ; b' } } }, /start of a comment/],
    ['a line end in a command', { programs: { a: { command: 'a\nb' } } }, /one line/],
    ['a name of a release', { programs: { 'release-x': { command: 'a' } } }, /names that start with/],
    ['a group of nothing', { programs: {}, groups: { g: { programs: ['x'] } } }, /not declared here/],
    [
      'a group named like a program',
      { programs: { a: { command: 'a' } }, groups: { a: { programs: ['a'] } } },
      /cannot tell them apart/,
    ],
    ['a NUL in the environment', { programs: { a: { command: 'a', environment: { A: '\0' } } } }, /NUL/],
  ];
  for (const [name, section, message] of refused) {
    it(`refuses ${name}`, () => {
      const result = v.safeParse(supervisor.entry, section);
      assert.equal(result.success, false);
      assert.match(JSON.stringify(result.issues?.map((issue) => [issue.message, issue.issues])), message);
    });
  }
});
