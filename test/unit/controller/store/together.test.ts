import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Together } from '../../../../controller/store/together.ts';

interface Asked {
  readonly questions: readonly string[];
  readonly answer: (answers: ReadonlyMap<string, string>) => void;
  readonly fail: (error: Error) => void;
}

function setUp(most = 3) {
  const asked: Asked[] = [];
  const together = new Together<string, string>(most, (questions) => {
    const { promise, resolve, reject } = Promise.withResolvers<ReadonlyMap<string, string>>();
    asked.push({ questions, answer: resolve, fail: reject });
    return promise;
  });
  const echo = (index: number): void => {
    const one = asked[index] ?? assert.fail('nothing was asked');
    one.answer(new Map(one.questions.map((question) => [question, `answer to ${question}`])));
  };
  return { asked, together, echo, questions: () => asked.map((one) => one.questions) };
}

test('what comes alone is asked at once, what comes meanwhile together, as many as may be', async () => {
  const { together, echo, questions } = setUp();
  const answers = ['a', 'b', 'c', 'd', 'e'].map((question) => together.ask(question));
  assert.deepEqual(questions(), [['a']]);
  echo(0);
  assert.equal(await answers[0], 'answer to a');
  assert.deepEqual(questions(), [['a'], ['b', 'c', 'd']]);
  const late = together.ask('f');
  echo(1);
  assert.deepEqual(await Promise.all(answers.slice(1, 4)), ['answer to b', 'answer to c', 'answer to d']);
  echo(2);
  assert.equal(await answers[4], 'answer to e');
  assert.equal(await late, 'answer to f');
  assert.deepEqual(questions(), [['a'], ['b', 'c', 'd'], ['e', 'f']]);
});

test('what has no answer is told so, and what cannot be asked fails for those who asked it alone', async () => {
  const { asked, together, echo } = setUp();
  const none = together.ask('a');
  const [failed, also] = [together.ask('b'), together.ask('c')];
  asked[0]?.answer(new Map());
  assert.equal(await none, undefined);
  asked[1]?.fail(new Error('no database'));
  await assert.rejects(failed, /no database/);
  await assert.rejects(also, /no database/);
  const next = together.ask('d');
  echo(2);
  assert.equal(await next, 'answer to d');
});
