/** What a person sees while hosts come up: one line that lives on a terminal, plain lines in a pipe. */

export interface Progress {
  /** A step begins; the one before it is done. */
  step(text: string): void;
  /** What the step is doing right now. */
  detail(text: string): void;
  /** The last step is done. */
  end(): void;
  /** The step that is under way failed. */
  fail(): void;
}

const CLEAR_LINE = '\r\u001B[K';

export function createProgress(stream: NodeJS.WriteStream, env: NodeJS.ProcessEnv = process.env): Progress {
  return stream.isTTY && env['TERM'] !== 'dumb' ? onTerminal(stream, env) : inPipe(stream);
}

function onTerminal(stream: NodeJS.WriteStream, env: NodeJS.ProcessEnv): Progress {
  const paint = (code: number, text: string): string =>
    env['NO_COLOR'] === undefined || env['NO_COLOR'] === '' ? `\u001B[${code}m${text}\u001B[0m` : text;
  let current: { readonly text: string; readonly since: number; note: string } | undefined;
  const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(1)} s`;
  const draw = (): void => {
    if (current === undefined) return;
    const note = current.note === '' ? '' : ` · ${current.note}`;
    const line = `… ${current.text} ${seconds(current.since)}${note}`;
    stream.write(`${CLEAR_LINE}${line.slice(0, Math.max(20, stream.columns - 1))}`);
  };
  const timer = setInterval(draw, 200);
  timer.unref();
  const close = (mark: string): void => {
    if (current !== undefined)
      stream.write(`${CLEAR_LINE}${mark} ${current.text} ${paint(2, seconds(current.since))}\n`);
    current = undefined;
  };
  return {
    step(text) {
      close(paint(32, '✓'));
      current = { text, since: performance.now(), note: '' };
      draw();
    },
    detail(text) {
      if (current !== undefined) current.note = text;
      draw();
    },
    end() {
      close(paint(32, '✓'));
      clearInterval(timer);
    },
    fail() {
      close(paint(31, '✗'));
      clearInterval(timer);
    },
  };
}

function inPipe(stream: NodeJS.WriteStream): Progress {
  const started = performance.now();
  let last = '';
  const say = (text: string): void => {
    if (text === last) return;
    last = text;
    stream.write(`[${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s] ${text}\n`);
  };
  return { step: say, detail: (text) => say(`  ${text}`), end: () => {}, fail: () => {} };
}
