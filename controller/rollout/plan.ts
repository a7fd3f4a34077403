import { batchSize, type RolloutSettings } from '../../desired-state/schema/rollout.ts';
import type { Group, OrderRule, RolloutPlan } from './model.ts';
import { depths } from './order.ts';

/** A host that the revision has a manifest for. */
export interface HostToPlan {
  readonly host: string;
  readonly environment: string;
  readonly roles: readonly string[];
  readonly etag: string;
  readonly settings: RolloutSettings;
  /** The manifest that it is served now; absent where it never had one. */
  readonly served?: string;
  /** Whether its agent is there: a revision is proved on hosts that answer. */
  readonly alive: boolean;
  /**
   * What the unfinished rollout before this one did to it. `broken`: it was given the revision and is not converged;
   * `touched`: it converged. The others still have what they had.
   */
  readonly before?: 'broken' | 'touched';
}

export interface PlannedHost {
  readonly host: string;
  readonly group: string;
  /** From 0, within its group. */
  readonly wave: number;
  readonly etag: string;
  readonly previous: string | null;
}

export interface Planned {
  readonly plan: RolloutPlan;
  /** Those whose manifest is another one than what they are served. */
  readonly hosts: readonly PlannedHost[];
}

/**
 * Sorts the hosts whose manifest changes into groups and waves. Hosts that an unfinished rollout has left broken come
 * first, all of them in the first wave: what may be their fix waits for nobody. Pure.
 */
export function planRollout(all: readonly HostToPlan[], order: readonly OrderRule[] = []): Planned {
  const changed = all.filter(({ etag, served }) => etag !== served);
  const depth = depths(order);
  const groups: Group[] = [];
  const hosts: PlannedHost[] = [];
  for (const [name, members] of groupsOf(changed)) {
    const settings = members[0]?.settings;
    if (settings === undefined) continue;
    const { canary, batch, ...rest } = settings;
    const waves = inWaves(members.toSorted(compareBy(depth)), canary, batchSize(batch, members.length));
    groups.push({ name, waves: waves.length, ...rest });
    for (const [wave, some] of waves.entries()) {
      for (const { host, etag, served } of some)
        hosts.push({ host, group: name, wave, etag, previous: served ?? null });
    }
  }
  const unchanged = all.length - changed.length;
  return { plan: { groups, order, unchanged, accepted: [], ignoresFreeze: false, held: null }, hosts };
}

/** By name, in the order of the names. Hosts that differ in their settings alone are groups of their own, with a number. */
function groupsOf(hosts: readonly HostToPlan[]): ReadonlyMap<string, readonly HostToPlan[]> {
  const byKey = new Map<string, { readonly name: string; readonly members: HostToPlan[] }>();
  for (const host of hosts.toSorted((a, b) => compareText(a.host, b.host))) {
    const name = `${host.environment}/${host.roles.length === 0 ? '-' : host.roles.join('+')}`;
    const key = `${name} ${JSON.stringify(host.settings)}`;
    const group = byKey.get(key) ?? { name, members: [] };
    group.members.push(host);
    byKey.set(key, group);
  }
  const named = new Map<string, readonly HostToPlan[]>();
  for (const { name, members } of [...byKey.values()].sort((a, b) => compareText(a.name, b.name))) {
    let unique = name;
    for (let number = 2; named.has(unique); number += 1) unique = `${name}#${number}`;
    named.set(unique, members);
  }
  return named;
}

function compareBy(depth: ReadonlyMap<string, number>): (a: HostToPlan, b: HostToPlan) => number {
  const rank = { broken: 0, touched: 1, none: 2 } as const;
  const keys = (one: HostToPlan): readonly number[] => [
    rank[one.before ?? 'none'],
    depth.get(one.host) ?? 0,
    one.alive ? 0 : 1,
  ];
  return (a, b) => {
    const [left, right] = [keys(a), keys(b)];
    const at = left.findIndex((value, index) => value !== right[index]);
    return at === -1 ? compareText(a.host, b.host) : (left[at] ?? 0) - (right[at] ?? 0);
  };
}

function inWaves(sorted: readonly HostToPlan[], canary: number, batch: number): readonly (readonly HostToPlan[])[] {
  const broken = sorted.filter(({ before }) => before === 'broken').length;
  const first = Math.max(canary === 0 ? batch : canary, broken);
  const waves = [sorted.slice(0, first)];
  for (let at = first; at < sorted.length; at += batch) waves.push(sorted.slice(at, at + batch));
  return waves;
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
