import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mask, textDiff } from '../../../agent/describe.ts';
import { Secret } from '../../../desired-state/schema/secret.ts';

test('a diff of a text is a unified diff and nothing else', () => {
  assert.equal(
    textDiff('/etc/motd', 'a\nb\n', 'a\nc\n'),
    '--- /etc/motd\n+++ /etc/motd\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n',
  );
});

test('the diff of a new file begins at /dev/null', () => {
  assert.equal(textDiff('/etc/motd', undefined, 'a\n'), '--- /dev/null\n+++ /etc/motd\n@@ -0,0 +1,1 @@\n+a\n');
});

test('in the diff of a text with a secret the secret is masked, and so is whatever stood there before', () => {
  const wanted = new Secret('user x\npassword new-secret\n', ['new-secret']);
  const diff = textDiff('/x', 'user x\npassword old-secret\n-- the older-secret\n', wanted);
  assert.equal(diff, '--- /x\n+++ /x\n@@ -1,3 +1,2 @@\n user x\n-***\n-***\n+password ***\n');
});

test('binary content is named and not shown', () => {
  assert.equal(textDiff('/x', 'a\0b', 'c'), 'Binary files differ: /x\n');
});

test('a fragment of several lines is masked line by line, the longest fragments first', () => {
  assert.equal(mask('x line one y\nline two line', ['line one\nline two', 'line']), 'x *** y\n*** ***');
});
