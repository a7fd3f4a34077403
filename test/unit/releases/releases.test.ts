import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as v from 'valibot';
import { readLookup } from '../../../agent/host/git/linux.ts';
import { describe as describeChange } from '../../../agent/resources/releases/describe.ts';
import { diff, renderTmpfiles } from '../../../agent/resources/releases/diff.ts';
import { isPassing } from '../../../agent/resources/releases/failures.ts';
import { includedFiles } from '../../../agent/resources/releases/find-trees.ts';
import { fingerprint, generation, generationOf, layoutOf } from '../../../agent/resources/releases/layout.ts';
import { EMPTY_LEDGER, withDeployed, withQuarantined } from '../../../agent/resources/releases/ledger.ts';
import { liveColour, type SlotState, type State } from '../../../agent/resources/releases/observe.ts';
import { isOrphanedBuild } from '../../../agent/resources/releases/orphans.ts';
import { renderSlot } from '../../../agent/resources/releases/program.ts';
import { releases } from '../../../desired-state/schema/releases.ts';
import { reveal, Secret } from '../../../desired-state/schema/secret.ts';

const OLD = 'a'.repeat(40);
const NEW = 'b'.repeat(40);
const BASE = {
  repository: 'https://git.example.org/todo.git',
  django: { settings: 'todo.settings' },
  environment: { SECRET_KEY: new Secret('hunter22') },
};

function specOf(extra: object = {}) {
  return { ...v.parse(releases.entry, { ...BASE, ...extra }), name: 'todo' };
}

const spec = specOf();
const trees = { release: OLD.slice(0, 12), venv: 'venv1', static: 'static1' };
const built = (name: string) => ({ is: 'built', name }) as const;
const running = {
  group: 'todo-blue',
  name: 'todo-blue',
  state: 'RUNNING',
  pid: 9,
  started_ms: 0,
  spawnError: '',
  exitStatus: 0,
};
const EMPTY_SLOT: SlotState = { text: undefined, mode: 0, processes: [], hasSocket: false };

const converged: State = {
  now_ms: 0,
  wanted: { commit: OLD },
  ledger: { ...EMPTY_LEDGER, history: [{ commit: OLD, trees, switched_ms: 0 }] },
  slots: {
    blue: { text: reveal(renderSlot(spec, 'blue', trees)), mode: 0o600, processes: [running], hasSocket: true },
    green: EMPTY_SLOT,
  },
  live: 'blue',
  trees: { release: built(trees.release), venv: built(trees.venv), static: built(trees.static) },
  supervisorAnswers: true,
  changes: { added: [], changed: [], removed: [] },
  links: { socket: 'blue.sock', current: `releases/${trees.release}`, currentStatic: trees.static },
  tmpfiles: renderTmpfiles(spec, 'blue'),
  layoutProblems: [],
  present: [`releases/${trees.release}`, `venvs/${trees.venv}`, `static/${trees.static}`],
  health: undefined,
};

function blue(change: Partial<SlotState>): Partial<State> {
  return { slots: { ...converged.slots, blue: { ...converged.slots.blue, ...change } } };
}

const before = { commit: NEW, trees: { release: 'bbbbbbbbbbbb', venv: 'venv1', static: 'static2' }, switched_ms: 0 };
const twoReleases: Partial<State> = {
  ledger: { ...EMPTY_LEDGER, history: [...converged.ledger.history, before] },
  present: [...converged.present, 'releases/bbbbbbbbbbbb', 'static/static2'],
};
const sick = { ok: false, detail: 'GET / answered 500' } as const;
const condemned = withQuarantined(converged.ledger, spec, NEW, 'it is bad', 0);

const cases: readonly (readonly [string, Partial<State>, readonly RegExp[]])[] = [
  ['nothing differs', {}, []],
  [
    'the branch has moved',
    { wanted: { commit: NEW }, trees: { release: { is: 'missing', buildAs: 'bbbbbbbbbbbb', why: 'not built yet' } } },
    [/^deploy bbbbbbbbbbbb \(branch master\), now aaaaaaaaaaaa: release bbbbbbbbbbbb: not built yet$/],
  ],
  ['the branch has moved to what is built', { wanted: { commit: NEW } }, []],
  ['the remote is away while a release runs', { wanted: { error: 'no route' }, trees: undefined }, []],
  [
    'the remote is away and nothing runs',
    { wanted: { error: 'no route' }, live: undefined, trees: undefined },
    [/^deploy branch master: no route$/],
  ],
  ['nothing runs', { live: undefined }, [/nothing runs yet/]],
  ['the slot runs another text', blue({ text: 'x' }), [/configuration differs/]],
  ['the slot is readable for all', blue({ mode: 0o644 }), [/mode of its configuration is 0644/]],
  [
    'supervisor has an older text',
    { changes: { added: [], changed: ['todo-blue'], removed: [] } },
    [/older configuration/],
  ],
  [
    'the virtualenv was edited',
    {
      trees: { release: built(trees.release), venv: { is: 'missing', buildAs: 'venv1.1', why: 'changed by hand (x)' } },
    },
    [/virtualenv venv1\.1: changed by hand/],
  ],
  ['the socket is gone', blue({ hasSocket: false }), [/its socket is gone/]],
  ['it is stopped', blue({ processes: [{ ...running, state: 'STOPPED' }] }), [/^start todo-blue \(is STOPPED\)/]],
  ['supervisor does not know it', blue({ processes: [] }), [/^start todo-blue \(supervisor does not know it\)/]],
  ['the link is wrong', { links: { ...converged.links, socket: 'x' } }, [/^set \/run\/todo\/gunicorn\.sock to/]],
  [
    'the other slot is left over',
    { slots: { ...converged.slots, green: { ...EMPTY_SLOT, text: 'x' } } },
    [/^stop todo-green/],
  ],
  ['a tree is of no use', { present: [...converged.present, 'venvs/old'] }, [/^remove venvs\/old$/]],
  [
    'it turned bad and the one before is there',
    { ...twoReleases, health: sick },
    [/^return to bbbbbbbbbbbb: aaaaaaaaaaaa turned bad/],
  ],
  [
    'it is sick and runs with another configuration than the declared one, such as a password that was changed since',
    { ...twoReleases, ...blue({ text: `${converged.slots.blue.text}; older\n` }), health: sick },
    [/^deploy aaaaaaaaaaaa .*the declared configuration differs/],
  ],
  [
    'it is sick and somebody edited its virtualenv',
    {
      ...twoReleases,
      trees: { release: built(trees.release), venv: { is: 'missing', buildAs: 'venv1.1', why: 'changed by hand (x)' } },
      health: sick,
    },
    [/^deploy aaaaaaaaaaaa .*virtualenv venv1\.1: changed by hand/],
  ],
  ['it turned bad and there is none before', { health: sick }, []],
  [
    'it was stopped by hand soon after the switch',
    { ...twoReleases, ...blue({ processes: [{ ...running, state: 'STOPPED' }] }), health: sick },
    [/^start todo-blue/],
  ],
  [
    'the wanted commit is in quarantine',
    { wanted: { commit: NEW }, ledger: condemned },
    [/^bbbbbbbbbbbb is in quarantine, aaaaaaaaaaaa keeps running: it is bad/],
  ],
];

describe('diff of releases', () => {
  for (const [name, change, summaries] of cases) {
    // Trees of the new commit that are whole are another release than the one that runs.
    it(name, () => {
      const moved = name.endsWith('to what is built');
      const found = { release: built('bbbbbbbbbbbb'), venv: built('venv1'), static: built('static2') };
      const changes = diff(spec, { ...converged, ...change, ...(moved ? { trees: found } : {}) }).map(describeChange);
      if (moved) assert.match(changes[0]?.summary ?? '', /^deploy bbbbbbbbbbbb .*now aaaaaaaaaaaa/);
      else {
        assert.equal(changes.length, summaries.length, JSON.stringify(changes));
        for (const [index, pattern] of summaries.entries()) assert.match(changes[index]?.summary ?? '', pattern);
      }
      assert.doesNotMatch(JSON.stringify(changes), /hunter22/);
    });
  }

  it('tries a commit again that failed under another declaration', () => {
    const other = specOf({ gunicorn: { workers: 7 } });
    assert.notEqual(fingerprint(other), fingerprint(spec));
    const changes = diff(other, { ...converged, wanted: { commit: NEW }, ledger: condemned });
    assert.equal(changes[0]?.kind, 'deploy');
  });
});

describe('orphaned builds', () => {
  const layout = layoutOf(spec);
  const python = '/srv/todo/venvs/x/bin/python';
  const process = { pid: 5, parentPid: 1, name: 'python', uid: 1, started_ms: 0, state: 'S' };
  const processes: readonly (readonly [boolean, string, object])[] = [
    [true, 'pip without a parent', { argv: [python, '-m', 'pip', 'install'] }],
    [true, 'venv without a parent', { argv: ['/usr/bin/python3', '-m', 'venv', '/srv/todo/venvs/x'] }],
    [true, 'collectstatic without a parent', { argv: [python, 'manage.py', 'collectstatic'] }],
    [false, 'pip of a living agent', { argv: [python, '-m', 'pip', 'install'], parentPid: 77 }],
    [false, 'a migration', { argv: [python, '-'] }],
    [false, 'gunicorn', { argv: [python, '-m', 'gunicorn'] }],
    [false, 'pip of another application', { argv: ['/srv/other/venvs/x/bin/python', '-m', 'pip', 'install'] }],
  ];
  for (const [orphaned, name, extra] of processes) {
    it(`${orphaned ? 'are' : 'are not'} ${name}`, () =>
      assert.equal(isOrphanedBuild({ ...process, argv: [], ...extra }, layout), orphaned));
  }
});

describe('the ledger', () => {
  it('keeps a commit once and forgives it when it runs', () => {
    const after = withDeployed(condemned, { commit: NEW, trees, switched_ms: 5 });
    assert.deepEqual(
      after.history.map((one) => one.commit),
      [NEW, OLD],
    );
    assert.deepEqual(after.quarantine, []);
  });
});

describe('the live slot', () => {
  const slots = (...there: readonly string[]) => ({
    blue: { text: there.includes('blue') ? 'x' : undefined },
    green: { text: there.includes('green') ? 'x' : undefined },
  });
  it('is the one that the link names', () =>
    assert.equal(liveColour(slots('blue', 'green'), 'green.sock', undefined), 'green'));
  it('is the one for the next boot when the link is gone', () =>
    assert.equal(liveColour(slots('blue', 'green'), undefined, renderTmpfiles(spec, 'green')), 'green'));
  it('is the one that is there when its file is gone', () =>
    assert.equal(liveColour(slots('green'), 'blue.sock', undefined), 'green'));
  it('is none on a blank host', () => assert.equal(liveColour(slots(), undefined, undefined), undefined));
});

describe('small parts', () => {
  it('reads an exact ref, and the commit of an annotated tag', () => {
    const text = `${OLD}\trefs/heads/x/refs/tags/v1\n${'c'.repeat(40)}\trefs/tags/v1\n${NEW}\trefs/tags/v1^{}\n`;
    assert.deepEqual(readLookup(text, 'refs/tags/v1'), { commit: NEW });
    assert.deepEqual(readLookup(text, 'refs/tags/v2'), { error: 'the repository has no refs/tags/v2' });
  });
  it('follows requirements that include others, inside of the tree only', () => {
    const text =
      '-r base.txt\n  -c ../c.txt # why\n--requirement=x/y.txt\n-r /etc/passwd\n-r https://x/y\n-r ../../out.txt\nDjango==5.2\n';
    assert.deepEqual(includedFiles('req/prod.txt', text), ['req/base.txt', 'c.txt', 'req/x/y.txt']);
  });
  it('numbers what is built again', () => {
    assert.equal(generation('abc', 0), 'abc');
    assert.equal(generation('abc', 2), 'abc.2');
    assert.equal(generationOf('abc', 'abc.2'), 2);
    assert.equal(generationOf('abc', 'abc.x'), undefined);
    assert.equal(generationOf('abc', 'abcd'), undefined);
  });
  it('tells what may pass from what will not', () => {
    for (const text of [
      '[Errno 28] No space left on device',
      'django.db.utils.OperationalError: x',
      'Read timed out\nReadTimeoutError',
    ]) {
      assert.equal(isPassing(text), true, text);
    }
    for (const text of [
      'No matching distribution found for x',
      'ModuleNotFoundError: no',
      'THESE PACKAGES DO NOT MATCH THE HASHES',
    ]) {
      assert.equal(isPassing(text), false, text);
    }
  });
  it('keeps secrets off the command line', () => {
    const text = reveal(renderSlot(spec, 'blue', trees));
    assert.doesNotMatch(/^command=.*$/m.exec(text)?.[0] ?? '', /hunter22/);
    assert.match(/^environment=.*$/m.exec(text)?.[0] ?? '', /SECRET_KEY="hunter22"/);
  });
  it('gives each slot a place of its own for what gunicorn makes while it runs', () => {
    assert.match(reveal(renderSlot(spec, 'blue', trees)), /XDG_RUNTIME_DIR="\/run\/todo\/blue"/);
    assert.match(reveal(renderSlot(spec, 'green', trees)), /XDG_RUNTIME_DIR="\/run\/todo\/green"/);
  });
});

describe('the section releases', () => {
  const refused: readonly (readonly [string, object, RegExp])[] = [
    ['two refs at once', { branch: 'a', tag: 'b' }, /at most one of/],
    ['a full ref as a branch', { branch: '-x' }, /name of a branch or tag/],
    ['a short commit', { commit: 'abc' }, /40 hexadecimal digits/],
    ['a repository that is an option', { repository: '--upload-pack=x' }, /expected a URL/],
    ['requirements outside', { python: { requirements: '../x' } }, /inside of the repository/],
    ['STATIC_ROOT', { environment: { STATIC_ROOT: '/x' } }, /set for each release by itself/],
  ];
  for (const [name, extra, message] of refused) {
    it(`refuses ${name}`, () => {
      const result = v.safeParse(releases.entry, { ...BASE, ...extra });
      assert.equal(result.success, false);
      assert.match(
        result.issues.map((issue) => issue.message + JSON.stringify(issue.issues ?? [])).join('\n'),
        message,
      );
    });
  }
});
