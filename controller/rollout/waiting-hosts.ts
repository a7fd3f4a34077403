import type { RolloutState } from '../store/tables.ts';
import type { Known } from './known.ts';
import { whyWaiting } from './step.ts';

/** A revision that a host does not get yet, and why. */
export interface Withheld {
  readonly revision: string;
  readonly reason: string;
  /** How the rollout is that brings it. */
  readonly state: RolloutState;
}

export interface WaitingHostsOptions {
  readonly known: Pick<Known, 'current' | 'pushed'>;
  /** Tells these hosts again why they do not get what is wanted. */
  readonly tell: (hosts: readonly string[]) => void;
}

/** Hosts that are told at once why they wait. */
const MOST_TOLD = 200;

/** The hosts whose turn has not come, and what they were last told of it. */
export class WaitingHosts {
  readonly #options: WaitingHostsOptions;
  #reasons: ReadonlyMap<string, string> = new Map();

  constructor(options: WaitingHostsOptions) {
    this.#options = options;
  }

  /** Who waits is told why at once, where that is not a crowd: the others hear of it when their requests end. */
  tell(): void {
    const { known, tell } = this.#options;
    const waiting = [...(known.current?.hosts.values() ?? [])].filter(({ state }) => state === 'waiting');
    if (waiting.length > MOST_TOLD) return;
    const before = this.#reasons;
    this.#reasons = new Map(waiting.map(({ host }) => [host, JSON.stringify(withheldFrom(host, known))]));
    const news = waiting.filter(({ host }) => before.get(host) !== this.#reasons.get(host));
    tell(news.map(({ host }) => host));
  }
}

/** What the host does not get yet; `undefined` where it has what is wanted. Pure. */
export function withheldFrom(
  host: string,
  { current, pushed }: Pick<Known, 'current' | 'pushed'>,
): Withheld | undefined {
  if (current === undefined) return undefined;
  const { rollout, hosts } = current;
  const row = hosts.get(host);
  if (rollout.cause === 'rollback') {
    if (row === undefined || pushed === undefined) return undefined;
    const { id, revision, state, why } = pushed;
    return { revision, state, reason: `rollout ${id} is ${state}: ${why ?? ''}` };
  }
  if (row?.state !== 'waiting') return undefined;
  return { revision: rollout.revision, state: rollout.state, reason: whyWaiting(rollout, row) };
}
