import type { ReadStream } from 'node:tty';

/** The operator pressed Ctrl-C. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

/** Asks for lines that are not shown, one for each question. Throws `Interrupted`. */
export function askHidden(
  questions: readonly string[],
  input: ReadStream,
  output: NodeJS.WritableStream,
): Promise<readonly string[]> {
  const { promise, resolve, reject } = Promise.withResolvers<readonly string[]>();
  const lines: string[] = [];
  const letters: string[] = [];
  const enter = (): void => {
    lines.push(letters.splice(0).join(''));
    output.write(`\n${questions[lines.length] ?? ''}`);
    if (lines.length === questions.length) resolve(lines);
  };
  const onData = (chunk: string): void => {
    for (const letter of chunk) {
      if (lines.length === questions.length) return;
      if (letter === '\r' || letter === '\n' || letter === '\u0004') enter();
      else if (letter === '\u0003') reject(new Interrupted('interrupted'));
      else if (letter === '\u007f' || letter === '\b') letters.pop();
      else if (letter === '\u0015') letters.length = 0;
      else letters.push(letter);
    }
  };
  // Not readline: what it keeps of a line, such as a history, would hold the secret. Before the question is there, so
  // that not even an answer that comes at once is shown.
  input.setRawMode(true);
  input.setEncoding('utf8');
  input.on('data', onData);
  input.resume();
  output.write(questions[0] ?? '');
  return promise.finally(() => {
    input.off('data', onData);
    input.setRawMode(false);
    input.pause();
  });
}
