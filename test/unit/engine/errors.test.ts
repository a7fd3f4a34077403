import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorText } from '../../../agent/engine/errors.ts';

void test('an error is told with its causes', () => {
  const error = new Error('the role could not be made', { cause: new Error('connection refused') });
  assert.equal(errorText(error), 'the role could not be made\ncaused by: connection refused');
});

void test('a cause that the message tells already is not told twice', () => {
  const cause = new Error('pip: exit code 1\nno network', { cause: new Error('no route to host') });
  const error = new Error('its requirements could not be installed: pip: exit code 1\nno network', { cause });
  assert.equal(
    errorText(error),
    'its requirements could not be installed: pip: exit code 1\nno network\ncaused by: no route to host',
  );
});
