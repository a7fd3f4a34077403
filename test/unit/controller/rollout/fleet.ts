import { type HostFact } from '../../../../controller/rollout/facts.ts';
import type { OrderRule, Rollout, RolloutHost } from '../../../../controller/rollout/model.ts';
import { type HostToPlan, planRollout } from '../../../../controller/rollout/plan.ts';
import { type Step, step } from '../../../../controller/rollout/step.ts';
import { ROLLOUT_DEFAULTS, type RolloutSettings } from '../../../../desired-state/schema/rollout.ts';

export const START_MS = Date.UTC(2026, 10, 23, 10); // a Monday
export const SECOND = 1000;
export const MINUTE = 60_000;

export function hostToPlan(
  host: string,
  more: Partial<HostToPlan> & { readonly settings?: RolloutSettings } = {},
): HostToPlan {
  return {
    host,
    environment: 'dev',
    roles: [host.replace(/-\d+$/, '')],
    etag: 'new',
    settings: ROLLOUT_DEFAULTS,
    served: 'old',
    alive: true,
    ...more,
  };
}

export function settings(more: Partial<RolloutSettings>): RolloutSettings {
  return { ...ROLLOUT_DEFAULTS, ...more };
}

/** `web-1` to `web-<count>` with the same settings. */
export function webs(count: number, more: Partial<RolloutSettings> = {}): HostToPlan[] {
  return Array.from({ length: count }, (_, index) => hostToPlan(`web-${index + 1}`, { settings: settings(more) }));
}

/** A rollout in a world in which time and reports are the test's. */
export class Fleet {
  now_ms = START_MS;
  listening_ms = START_MS;
  rows: RolloutHost[];
  rollout: Pick<Rollout, 'state' | 'why' | 'plan'>;
  last: Step | undefined;
  readonly facts = new Map<string, HostFact>();

  constructor(hosts: readonly HostToPlan[], order: readonly OrderRule[] = []) {
    const { plan, hosts: planned } = planRollout(hosts, order);
    this.rollout = { state: 'running', why: null, plan };
    this.rows = planned.map((one) => ({ ...one, state: 'waiting', since_ms: this.now_ms, why: null }));
    for (const { host } of hosts) this.facts.set(host, { seen_ms: this.now_ms - SECOND });
  }

  /** Runs the step until it says nothing new; returns the state in short: `running`, or `paused: why`. */
  run(): string {
    for (let round = 0; round < 20; round += 1) {
      this.last = step({
        rollout: this.rollout,
        hosts: this.rows,
        facts: (host) => this.facts.get(host) ?? {},
        now_ms: this.now_ms,
        listening_ms: this.listening_ms,
      });
      const { hosts, state, why } = this.last;
      const same = hosts.length === 0 && state === this.rollout.state && why === this.rollout.why;
      this.rollout = { ...this.rollout, state, why };
      this.rows = this.rows.map((row) => {
        const change = hosts.find(({ host }) => host === row.host);
        if (change === undefined) return row;
        const since_ms = change.state === row.state ? row.since_ms : this.now_ms;
        return { ...row, state: change.state, why: change.why, since_ms };
      });
      if (same) return why === null ? state : `${state}: ${why}`;
    }
    throw new Error('the step never comes to rest');
  }

  /** The hosts call, and their agents say how it went. */
  report(outcome: 'converged' | 'converging' | 'failed', ...hosts: string[]): string {
    for (const host of hosts) {
      const why = outcome === 'failed' ? { why: 'services/nginx: no unit' } : {};
      const report = { at_ms: this.now_ms, current: true, outcome, ...why };
      this.facts.set(host, { seen_ms: this.now_ms, report });
    }
    return this.run();
  }

  /** Time passes; hosts that are there go on calling. */
  pass(duration_ms: number, except: readonly string[] = []): string {
    this.now_ms += duration_ms;
    for (const [host, fact] of this.facts) {
      if (fact.seen_ms !== undefined && !except.includes(host)) this.facts.set(host, { ...fact, seen_ms: this.now_ms });
    }
    return this.run();
  }

  in(state: RolloutHost['state']): readonly string[] {
    return this.rows.filter((row) => row.state === state).map(({ host }) => host);
  }
}
