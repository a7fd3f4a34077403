/** A package that apt holds to be installed automatically. */
export interface AutomaticPackage {
  readonly name: string;
  /** Never `all`: apt notes the host's own architecture for such a package. */
  readonly architecture: string;
}

/** Stanzas of `/var/lib/apt/extended_states` with `Auto-Installed: 1`. */
export function parseAutomatic(text: string): readonly AutomaticPackage[] {
  const found: AutomaticPackage[] = [];
  for (const stanza of text.split('\n\n')) {
    const name = /^Package: (.+)$/m.exec(stanza)?.[1];
    const architecture = /^Architecture: (.+)$/m.exec(stanza)?.[1];
    if (name === undefined || architecture === undefined || !/^Auto-Installed: 1$/m.test(stanza)) continue;
    // Copies: a slice would keep the whole text in memory.
    found.push({ name: Buffer.from(name).toString(), architecture: Buffer.from(architecture).toString() });
  }
  return found;
}
