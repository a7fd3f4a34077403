import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as v from 'valibot';
import type { FileStat } from '../../../agent/host/files/port.ts';
import { describe as describeChange } from '../../../agent/resources/directories/describe.ts';
import { diff } from '../../../agent/resources/directories/diff.ts';
import type { DirectorySpec, DirectoryState } from '../../../agent/resources/directories/state.ts';
import { wantedMode } from '../../../agent/resources/directories/strays.ts';
import { directories } from '../../../desired-state/schema/directories.ts';

const ROOT = { uid: 0, gid: 0 };

function spec(entry: object): DirectorySpec {
  return { ...v.parse(directories.entry, entry), name: '/srv/x' };
}

function stat(more: Partial<FileStat> = {}): FileStat {
  const times = { mtime_ms: 1, ctime_ms: 1 };
  return {
    type: 'directory',
    mode: 0o755,
    uid: 0,
    gid: 0,
    size_bytes: 9,
    device: 1,
    inode: 2,
    links: 1,
    ...times,
    ...more,
  };
}

function state(there: FileStat | undefined, more: Partial<DirectoryState> = {}): DirectoryState {
  return { there, inhabited: false, unmanaged: [], strays: [], ids: ROOT, ...more };
}

const UNMANAGED = [
  { name: 'by-hand', stat: stat({ type: 'file' }), inhabited: false },
  { name: 'full', stat: stat(), inhabited: true },
];
const KEEP_OUT = 'move it away, or set "force: true" to remove it';

const CASES: readonly (readonly [title: string, entry: object, state: DirectoryState, expected: readonly string[]])[] =
  [
    ['as declared', {}, state(stat()), []],
    ['not there', { owner: 'todo' }, state(undefined), ['none: make the directory, todo:root 0755']],
    ['another mode', {}, state(stat({ mode: 0o777 })), ['none: set mode 0755 (is 0777)']],
    ['setgid is lost', { mode: '2775' }, state(stat({ mode: 0o775 })), ['none: set mode 2775 (is 0775)']],
    [
      'a dangling symlink',
      {},
      state(stat({ type: 'symlink' })),
      ['none: make the directory, root:root 0755, replacing a symlink'],
    ],
    [
      'a symlink to a directory',
      {},
      state(stat({ type: 'symlink' }), { inhabited: true }),
      [`none: refuse: /srv/x is a symlink to a directory: ${KEEP_OUT}`],
    ],
    ['a file', {}, state(stat({ type: 'file' })), [`none: refuse: /srv/x is a file that holds data: ${KEEP_OUT}`]],
    [
      'a file, by consent',
      { force: true },
      state(stat({ type: 'file' })),
      ['destructive: make the directory, root:root 0755, replacing a file'],
    ],
    ['absent and not there', { ensure: 'absent' }, state(undefined), []],
    ['absent and empty', { ensure: 'absent' }, state(stat()), ['destructive: remove a directory']],
    [
      'absent and not empty',
      { ensure: 'absent' },
      state(stat(), { inhabited: true }),
      [`none: refuse: /srv/x is a directory that holds data: ${KEEP_OUT}`],
    ],
    [
      'absent and not empty, by consent',
      { ensure: 'absent', force: true },
      state(stat(), { inhabited: true }),
      ['destructive: remove a directory with all that is in it'],
    ],
    [
      'undeclared entries, of which one is a directory with something in it',
      { purge: true },
      state(stat(), { unmanaged: UNMANAGED }),
      [
        'destructive: remove what nobody declared: by-hand',
        'none: refuse: /srv/x holds directories that nobody declared and that are not empty: full; name them in "keep", move them away, or set "force: true"',
      ],
    ],
    [
      'undeclared entries, by consent',
      { purge: true, force: true },
      state(stat(), { unmanaged: UNMANAGED }),
      ['destructive: remove what nobody declared: by-hand, full'],
    ],
    [
      'entries of somebody else below',
      { recurse: {} },
      state(stat(), { strays: [{ path: '/srv/x/a', stat: stat({ type: 'file', uid: 7 }), mode: 0o644 }] }),
      ['none: set owner, group or mode of 1 entries below: /srv/x/a'],
    ],
    [
      'a file of somebody else with a second name',
      { recurse: {} },
      state(stat(), { strays: [{ path: '/srv/x/a', stat: stat({ type: 'file', uid: 7, links: 2 }), mode: 0o644 }] }),
      ['none: refuse: /srv/x/a has more than one hard link, so that its owner is not changed: replace it by a copy'],
    ],
  ];

for (const [title, entry, seen, expected] of CASES) {
  test(`${title}: ${expected.join('; ') || 'nothing to do'}`, () => {
    const said = diff(spec(entry), seen).map((change) => {
      const { hazard, summary } = describeChange(change);
      return `${hazard}: ${summary}`;
    });
    assert.deepEqual(said, expected);
  });
}

test('a file that changes hands loses setuid, and keeps its mode otherwise', () => {
  const recurse = { recurse: {} };
  assert.equal(wantedMode(recurse, ROOT, stat({ type: 'file', uid: 7, mode: 0o6755 })), 0o755);
  assert.equal(wantedMode(recurse, ROOT, stat({ type: 'file', mode: 0o4755 })), 0o4755);
  assert.equal(wantedMode({ recurse: { files: 0o640 } }, ROOT, stat({ type: 'file' })), 0o640);
  assert.equal(wantedMode({ recurse: { files: 0o640 } }, ROOT, stat({ mode: 0o2775 })), 0o2775);
});
