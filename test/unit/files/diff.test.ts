import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import * as v from 'valibot';
import type { FileStat } from '../../../agent/host/files/port.ts';
import { describe as describeChange } from '../../../agent/resources/files/describe.ts';
import { diff } from '../../../agent/resources/files/diff.ts';
import type { FileSpec, FileState } from '../../../agent/resources/files/state.ts';
import { files } from '../../../desired-state/schema/files.ts';
import { Secret } from '../../../desired-state/schema/secret.ts';

const ROOT = { uid: 0, gid: 0 };

function spec(entry: object): FileSpec {
  return { ...v.parse(files.entry, entry), name: '/etc/x' };
}

function stat(more: Partial<FileStat> = {}): FileStat {
  const times = { mtime_ms: 1, ctime_ms: 1 };
  return { type: 'file', mode: 0o644, uid: 0, gid: 0, size_bytes: 4, device: 1, inode: 2, links: 1, ...times, ...more };
}

function file(text: string, more: Partial<FileStat> = {}): FileState {
  return { there: stat(more), hash: createHash('sha256').update(text).digest('hex'), text, ids: ROOT };
}

function said(entry: object, state: FileState): readonly string[] {
  return diff(spec(entry), state).map((change) => {
    const { summary, hazard } = describeChange(change);
    return `${hazard}: ${summary}`;
  });
}

const NOTHING: FileState = { there: undefined, ids: ROOT };
const CONTENT = { content: 'new\n' };

const CASES: readonly (readonly [title: string, entry: object, state: FileState, expected: readonly string[]])[] = [
  ['as declared', CONTENT, file('new\n'), []],
  ['not there', CONTENT, NOTHING, ['none: write 1 line, root:root 0644']],
  ['another text', CONTENT, file('old\n'), ['none: write 1 line']],
  ['no final newline', CONTENT, file('new'), ['none: write 1 line']],
  ['an empty text', { content: '' }, file('old'), ['none: write 0 lines']],
  ['another mode', CONTENT, file('new\n', { mode: 0o600 }), ['none: set mode 0644 (is 0600)']],
  ['another owner', CONTENT, file('new\n', { uid: 7 }), ['none: set owner root (is uid 7)']],
  [
    'another owner and a second name, which is not given away',
    CONTENT,
    file('new\n', { uid: 7, links: 2 }),
    ['none: write 1 line, owner root (is uid 7), breaking its hard links'],
  ],
  [
    'another mode and a second name',
    CONTENT,
    file('new\n', { mode: 0o600, links: 2 }),
    ['none: set mode 0644 (is 0600)'],
  ],
  ['text and mode differ', CONTENT, file('old\n', { mode: 0o600 }), ['none: write 1 line, mode 0644 (is 0600)']],
  [
    'an owner that is not there yet',
    { ...CONTENT, owner: 'todo' },
    { ...file('new\n'), ids: { uid: undefined, gid: 0 } },
    ['none: set owner todo (is uid 0)'],
  ],
  [
    'a symlink',
    CONTENT,
    { there: stat({ type: 'symlink' }), linkTarget: '/y', ids: ROOT },
    ['none: write 1 line, replacing a symlink to /y'],
  ],
  ['a FIFO', CONTENT, { there: stat({ type: 'fifo' }), ids: ROOT }, ['none: write 1 line, replacing a FIFO']],
  [
    'an empty directory',
    CONTENT,
    { there: stat({ type: 'directory' }), inhabited: false, ids: ROOT },
    ['destructive: write 1 line, replacing a directory'],
  ],
  [
    'a directory with something in it, by consent',
    { ...CONTENT, force: true },
    { there: stat({ type: 'directory' }), inhabited: true, ids: ROOT },
    ['destructive: write 1 line, replacing a directory'],
  ],
  ['absent and not there', { ensure: 'absent' }, NOTHING, []],
  ['absent and there', { ensure: 'absent' }, file('old'), ['destructive: remove a file']],
];

for (const [title, entry, state, expected] of CASES) {
  test(`${title}: ${expected.join('; ') || 'nothing to do'}`, () => assert.deepEqual(said(entry, state), expected));
}

test('a directory with something in it, and a device, are refused without consent', () => {
  const directory = { there: stat({ type: 'directory' }), inhabited: true, ids: ROOT };
  const device = { there: stat({ type: 'blockDevice' }), ids: ROOT };
  for (const state of [directory, device]) {
    const [change] = diff(spec(CONTENT), state);
    assert.equal(change?.type, 'refuse');
    assert.equal(diff(spec({ ensure: 'absent' }), state)[0]?.type, 'refuse');
  }
});

describe('the diff that a plan shows', () => {
  function shown(entry: object, state: FileState): string {
    const [change] = diff(spec(entry), state);
    assert.ok(change !== undefined);
    return describeChange(change).diff ?? '';
  }

  test('is a unified diff', () => {
    assert.match(shown({ content: 'a\nb\n' }, file('a\nc\n')), /^-c\n\+b$/m);
  });

  test('masks a secret, and every line that goes away beside one', () => {
    const content = new Secret('user = x\npassword = hunter2-hunter2\n', ['hunter2-hunter2']);
    const text = shown({ content }, file('user = y\npassword = older-secret\n'));
    assert.match(text, /^\+user = x$/m);
    assert.match(text, /^\+password = \*\*\*$/m);
    assert.doesNotMatch(text, /hunter2|older-secret|user = y/);
  });

  test('masks the lines that go away from a file that only its owner may read', () => {
    const text = shown({ content: 'plain\n', mode: '0600' }, file('password = unknown\n', { mode: 0o600 }));
    assert.match(text, /^\+plain$/m);
    assert.doesNotMatch(text, /unknown/);
  });

  test('is left out where the present text is too large to be shown', () => {
    assert.equal(shown(CONTENT, { ...file('x'), text: undefined }), '');
  });
});
