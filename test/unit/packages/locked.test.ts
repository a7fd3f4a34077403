import assert from 'node:assert/strict';
import { test } from 'node:test';
import { saysLocked } from '../../../agent/resources/shared/apt.ts';

/** In the words of Debian 11, 12 and 13. */
const LOCKED = [
  'E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 129 (apt-get)',
  'E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), is another process using it?',
  'E: Unable to lock directory /var/lib/apt/lists/',
  'dpkg: error: dpkg frontend lock is locked by another process',
  'dpkg: error: dpkg frontend lock was locked by another process with pid 129\nNote: removing the lock file is always wrong',
  'dpkg: error: dpkg database lock was locked by another process with pid 129',
];

for (const stderr of LOCKED) test(`waits for the lock: ${stderr.split('\n')[0]}`, () => assert.ok(saysLocked(stderr)));

test('another failure is none of a lock', () => {
  assert.ok(!saysLocked('E: Unable to locate package nginxx\ndpkg: error processing package x (--configure):'));
});
