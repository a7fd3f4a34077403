/** The commit is at fault, under this declaration: it goes into quarantine instead of being tried again. */
export class BadRelease extends Error {
  override readonly name = 'BadRelease';
}

/** What pip, git, Django and the drivers say when something else is at fault that may be well again at the next try. */
const PASSING = [
  /no space (?:is )?left/i,
  /Could not fetch URL/,
  /NewConnectionError|ConnectTimeoutError|ReadTimeoutError|ProxyError|MaxRetryError/,
  /Temporary failure in name resolution|Name or service not known|Network is unreachable/,
  /Connection (?:refused|reset|timed out|aborted)/i,
  /could not (?:connect to server|translate host name)/,
  /connection to server .* failed/,
  /\b(?:5\d\d) (?:Server Error|Service Unavailable|Bad Gateway)/,
  /the database system is (?:starting up|shutting down|in recovery mode)/,
  /OperationalError/,
  /Cannot allocate memory|MemoryError/,
  /did not end within/,
  /was killed by SIG/,
];

export function isPassing(text: string): boolean {
  return PASSING.some((pattern) => pattern.test(text));
}
