/** Quoting, as PostgreSQL's quote_identifier and quote_literal do it. Pure. */

export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function literal(text: string): string {
  const quoted = `'${text.replaceAll("'", "''").replaceAll('\\', '\\\\')}'`;
  return text.includes('\\') ? `E${quoted}` : quoted;
}

/** `public` is every role, and the only name that is not quoted. */
export function grantee(name: string): string {
  return isPublic(name) ? 'PUBLIC' : identifier(name);
}

export function isPublic(name: string): boolean {
  return name.toLowerCase() === 'public';
}
