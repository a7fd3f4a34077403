import type { InstalledPackage } from './port.ts';

/** `/var/lib/dpkg/status`, by name; a foreign architecture as `name:arch`. About 4 ms for 850 packages. */
export function parseStatus(content: Buffer): ReadonlyMap<string, InstalledPackage> {
  // The fields that are read are ASCII, and one byte per character is the fastest text to search.
  const text = content.toString('latin1');
  const all: InstalledPackage[] = [];
  for (let start = 0; start < text.length; ) {
    const gap = text.indexOf('\n\n', start);
    const end = gap === -1 ? text.length : gap;
    const found = parseStanza(text.slice(start, end));
    if (found !== undefined) all.push(found);
    start = end + 2;
  }
  const native = all.find((one) => one.name === 'dpkg')?.architecture;
  return new Map(all.map((one) => [isForeign(one, native) ? `${one.name}:${one.architecture}` : one.name, one]));
}

function isForeign({ architecture }: InstalledPackage, native: string | undefined): boolean {
  return native !== undefined && architecture !== native && architecture !== 'all';
}

function parseStanza(stanza: string): InstalledPackage | undefined {
  const name = field(stanza, 'Package: ');
  const [want, , status] = field(stanza, 'Status: ')?.split(' ') ?? [];
  if (name === undefined || want === undefined || status === undefined || status === 'not-installed') return undefined;
  return {
    name: detached(name),
    architecture: detached(field(stanza, 'Architecture: ') ?? ''),
    version: detached(field(stanza, 'Version: ') ?? ''),
    want: detached(want),
    status: detached(status),
    provides: names(field(stanza, 'Provides: ')),
  };
}

/** A value stands at the start of a line; the keys do not occur elsewhere at one, since continuation lines are indented. */
function field(stanza: string, key: string): string | undefined {
  const at = stanza.startsWith(key) ? 0 : stanza.indexOf(`\n${key}`) + 1;
  if (at === 0 && !stanza.startsWith(key)) return undefined;
  const from = at + key.length;
  const end = stanza.indexOf('\n', from);
  return stanza.slice(from, end === -1 ? undefined : end);
}

const NONE: readonly string[] = [];

/** `mail-transport-agent, default-mta (= 1.0)` → the names alone. */
function names(provides: string | undefined): readonly string[] {
  if (provides === undefined) return NONE;
  return provides.split(',').map((one) => detached(one.trim().split(/[ (]/)[0] ?? ''));
}

/** V8 makes a slice of 13 characters or more a view that keeps the whole text, 1 MB or more, in memory: this copies it. */
function detached(slice: string): string {
  return slice.length < 13 ? slice : Buffer.from(slice, 'latin1').toString('latin1');
}
