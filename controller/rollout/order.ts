import type { OrderRule } from './model.ts';

/** A host of the rollout with the credentials that matter for the order, as digests. */
export interface CredentialsOfHost {
  readonly host: string;
  /** Passwords of database roles that are other ones than before. */
  readonly setsNew: readonly string[];
  readonly uses: readonly string[];
}

/**
 * Who has to wait for whom: a host that uses a password comes after the hosts that set it newly. Of hosts that would wait
 * for each other the one with the earlier name goes first. Pure.
 */
export function orderRules(hosts: readonly CredentialsOfHost[]): readonly OrderRule[] {
  const setters = new Map<string, string[]>();
  for (const { host, setsNew } of hosts) {
    for (const secret of setsNew) setters.set(secret, [...(setters.get(secret) ?? []), host]);
  }
  const before = new Map<string, Set<string>>();
  for (const { host, uses } of hosts.toSorted((a, b) => (a.host < b.host ? -1 : 1))) {
    const wanted = new Set(uses.flatMap((secret) => setters.get(secret) ?? []));
    wanted.delete(host);
    const kept = [...wanted].filter((setter) => !waitsFor(setter, host, before));
    if (kept.length > 0) before.set(host, new Set(kept));
  }
  return merged(before);
}

/** Whether `host` waits for `other`, perhaps by way of others. */
function waitsFor(host: string, other: string, before: ReadonlyMap<string, ReadonlySet<string>>): boolean {
  const seen = new Set<string>();
  const queue = [host];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    if (next === other) return true;
    if (seen.has(next)) continue;
    seen.add(next);
    queue.push(...(before.get(next) ?? []));
  }
  return false;
}

/** Ten thousand hosts that wait for the same one are one rule. */
function merged(before: ReadonlyMap<string, ReadonlySet<string>>): readonly OrderRule[] {
  const rules = new Map<string, { before: string[]; after: string[] }>();
  for (const [host, setters] of before) {
    const list = [...setters].sort();
    const key = list.join();
    const rule = rules.get(key) ?? { before: list, after: [] };
    rule.after.push(host);
    rules.set(key, rule);
  }
  return [...rules.values()];
}

/** How many hosts in a row each host waits for; 0 where it waits for none. */
export function depths(rules: readonly OrderRule[]): ReadonlyMap<string, number> {
  const before = new Map<string, readonly string[]>();
  for (const rule of rules) for (const host of rule.after) before.set(host, rule.before);
  const done = new Map<string, number>();
  const depth = (host: string): number => {
    const known = done.get(host);
    if (known !== undefined) return known;
    const value = Math.max(-1, ...(before.get(host) ?? []).map(depth)) + 1;
    done.set(host, value);
    return value;
  };
  for (const host of before.keys()) depth(host);
  return done;
}
