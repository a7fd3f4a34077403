/** Of the system. */
const SYSTEM = /^(?:ECONNREFUSED|ECONNRESET|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|EPIPE)$/;

/** Of PostgreSQL while it stops, starts, or has no connection left. */
const SERVER = /^(?:57P0[123]|53300|08\w{3})$/;

/** pg has no codes for these. */
const MESSAGES = /^(?:timeout exceeded when trying to connect|Connection terminated|Query read timeout)/;

/** Whether a query failed because the database cannot be reached, and may well succeed later. */
export function isDatabaseAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error ? String(error.code) : '';
  return SYSTEM.test(code) || SERVER.test(code) || MESSAGES.test(error.message);
}
