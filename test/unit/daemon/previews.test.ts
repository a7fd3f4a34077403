import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ControllerError } from '../../../agent/daemon/controller-client.ts';
import { Previews } from '../../../agent/daemon/previews.ts';
import type { Preview } from '../../../desired-state/schema/preview.ts';

function setup(send: (id: string, preview: Preview) => Promise<void>) {
  const problems: string[] = [];
  const engine = (): never => {
    throw new Error('not reached');
  };
  const previews = new Previews({ host: 'web-1', engine, send, onProblem: (message) => problems.push(message) });
  return { previews, problems };
}

test('what cannot be read is answered with the reason', async () => {
  const answers: Preview[] = [];
  const { previews, problems } = setup(async (_id, preview) => void answers.push(preview));
  await previews.ask('1', '{');
  assert.match(answers[0]?.problems[0] ?? '', /^this host would refuse it: /);
  assert.deepEqual(problems, []);
});

for (const { what, status, expected } of [
  { what: 'an answer that nobody waits for any more is no problem', status: 404, expected: [] },
  {
    what: 'an answer that does not arrive is one',
    status: 0,
    expected: ['a preview could not be answered: POST failed'],
  },
]) {
  test(what, async () => {
    const { previews, problems } = setup(() => Promise.reject(new ControllerError('POST failed', { status })));
    await previews.ask('1', '{');
    assert.deepEqual(problems, expected);
  });
}
