/** Names of `/var/lib/apt/extended_states` with `Auto-Installed: 1`. */
export function parseAutomatic(text: string): ReadonlySet<string> {
  const names = new Set<string>();
  for (const stanza of text.split('\n\n')) {
    const name = /^Package: (.+)$/m.exec(stanza)?.[1];
    // A copy: a slice would keep the whole text in memory.
    if (name !== undefined && /^Auto-Installed: 1$/m.test(stanza)) names.add(Buffer.from(name).toString());
  }
  return names;
}
