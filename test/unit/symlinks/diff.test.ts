import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as v from 'valibot';
import type { FileStat } from '../../../agent/host/files/port.ts';
import { describe as describeChange } from '../../../agent/resources/symlinks/describe.ts';
import { diff } from '../../../agent/resources/symlinks/diff.ts';
import type { SymlinkState } from '../../../agent/resources/symlinks/state.ts';
import { symlinks } from '../../../desired-state/schema/symlinks.ts';

const ids = { uid: 0, gid: 0 };

function stat(more: Partial<FileStat> = {}): FileStat {
  const times = { mtime_ms: 1, ctime_ms: 1 };
  return {
    type: 'symlink',
    mode: 0o777,
    uid: 0,
    gid: 0,
    size_bytes: 2,
    device: 1,
    inode: 2,
    links: 1,
    ...times,
    ...more,
  };
}

const TO = { target: 'one' };
const KEEP_OUT = 'that holds data: move it away, or set "force: true" to remove it';

const CASES: readonly (readonly [title: string, entry: object, state: SymlinkState, expected: readonly string[]])[] = [
  ['as declared', TO, { there: stat(), target: 'one', ids }, []],
  ['not there', TO, { there: undefined, ids }, ['none: point to one']],
  ['it points elsewhere', TO, { there: stat(), target: 'two', ids }, ['none: point to one (is a symlink to two)']],
  [
    'it is of somebody else',
    TO,
    { there: stat({ uid: 7 }), target: 'one', ids },
    ['none: point to one (is the same of uid 7, gid 0)'],
  ],
  ['an empty file', TO, { there: stat({ type: 'file', size_bytes: 0 }), ids }, ['none: point to one (is a file)']],
  ['a file', TO, { there: stat({ type: 'file' }), ids }, [`none: refuse: /srv/x is a file ${KEEP_OUT}`]],
  [
    'a file, by consent',
    { ...TO, force: true },
    { there: stat({ type: 'file' }), ids },
    ['destructive: point to one (is a file)'],
  ],
  [
    'an empty directory',
    TO,
    { there: stat({ type: 'directory' }), inhabited: false, ids },
    ['none: point to one (is a directory)'],
  ],
  [
    'a directory with something in it',
    TO,
    { there: stat({ type: 'directory' }), inhabited: true, ids },
    [`none: refuse: /srv/x is a directory ${KEEP_OUT}`],
  ],
  [
    'to itself',
    { target: 'x' },
    { there: undefined, ids },
    ['none: refuse: /srv/x would be a symlink to itself: name another target'],
  ],
  [
    'to itself by a detour',
    { target: '/srv/../srv/x' },
    { there: undefined, ids },
    ['none: refuse: /srv/x would be a symlink to itself: name another target'],
  ],
  ['absent and not there', { ensure: 'absent' }, { there: undefined, ids }, []],
  ['absent and there', { ensure: 'absent' }, { there: stat(), target: 'two', ids }, ['none: remove a symlink']],
  [
    'absent, and a file is there',
    { ensure: 'absent' },
    { there: stat({ type: 'file' }), ids },
    [`none: refuse: /srv/x is a file ${KEEP_OUT}`],
  ],
];

for (const [title, entry, state, expected] of CASES) {
  test(`${title}: ${expected.join('; ') || 'nothing to do'}`, () => {
    const changes = diff({ ...v.parse(symlinks.entry, entry), name: '/srv/x' }, state);
    const said = changes.map((change) => {
      const { hazard, summary } = describeChange(change);
      return `${hazard}: ${summary}`;
    });
    assert.deepEqual(said, expected);
  });
}
