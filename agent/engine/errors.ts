import { inspect } from 'node:util';

/** Applying a resource ended without an error, and yet it still differs from its declaration. */
export class NotConverged extends Error {
  override readonly name = 'NotConverged';

  constructor(left: readonly string[], reason = 'it still differs after it was applied') {
    super(`${reason}: ${left.join('; ')}`);
  }
}

/** The order that the manifest asks for is impossible. */
export class OrderError extends Error {
  override readonly name = 'OrderError';
}

const MAX_CHARACTERS = 8192;
const MAX_CAUSES = 5;

/** The message with those of its causes. For a mistake in our own code also the place, since nobody else can find it. */
export function errorText(error: unknown): string {
  const parts: string[] = [];
  // Many an error repeats its cause's message in a sentence of its own.
  const add = (text: string): unknown => parts.some((part) => part.includes(text)) || parts.push(text);
  for (let at: unknown = error; at !== undefined && parts.length < MAX_CAUSES; ) {
    if (!(at instanceof Error)) {
      add(inspect(at));
      break;
    }
    add(isMistake(at) ? `${at.name}: ${at.message}${firstFrame(at)}` : at.message || at.name);
    at = at.cause;
  }
  const text = parts.join('\ncaused by: ');
  return text.length <= MAX_CHARACTERS ? text : `${text.slice(0, MAX_CHARACTERS)}…`;
}

function isMistake(error: Error): boolean {
  return error instanceof TypeError || error instanceof ReferenceError || error instanceof RangeError;
}

function firstFrame(error: Error): string {
  const frame = error.stack?.split('\n').find((line) => line.startsWith('    at '));
  return frame === undefined ? '' : ` (${frame.trim()})`;
}
