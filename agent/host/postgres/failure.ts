import type { Access } from './port.ts';

/** What an error of the connection says about the server. SQLSTATE codes: PostgreSQL's appendix A. */

const NOT_THERE = new Set(['ENOENT', 'ECONNREFUSED', 'ENOTSOCK']);
const GOING_OR_COMING = new Set(['57P01', '57P02', '57P03']);
const KEEPS_OUT = new Set(['28000', '28P01']);
const BROKEN_PIPE = new Set(['ECONNRESET', 'EPIPE']);

/** `undefined` for an error that has nothing to do with reaching the server. */
export function accessOf(error: unknown): Access | undefined {
  const code = codeOf(error);
  const reason = error instanceof Error ? error.message : String(error);
  if (NOT_THERE.has(code)) return { state: 'down', reason };
  if (GOING_OR_COMING.has(code)) return { state: 'starting', reason };
  // A method that wants a password fails in the client, which has none to give.
  if (KEEPS_OUT.has(code) || reason.startsWith('SASL')) return { state: 'refused', reason };
  return undefined;
}

/** The kept connection was cut, because the server was restarted or somebody ended the backend. */
export function isCut(error: unknown): boolean {
  const code = codeOf(error);
  if (GOING_OR_COMING.has(code) || BROKEN_PIPE.has(code)) return true;
  return (
    error instanceof Error && /^(?:Connection terminated|Client has encountered|Client was closed)/.test(error.message)
  );
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
