import type { RolloutHostState, RolloutState } from '../store/tables.ts';
import type { HostFact } from './facts.ts';
import { type Frozen, frozenBy } from './freeze.ts';
import { type Group, isOver, type Rollout, type RolloutHost } from './model.ts';

/** A host whose agent has not called for so long is not there; held requests come back within a minute. */
export const SILENT_MS = 180_000;
/** While something is waited for that no event tells of, it is looked at this often. */
const LOOK_AGAIN_MS = 60_000;
const TURNED_BAD = 'turned bad: ';

export interface HostChange {
  readonly host: string;
  readonly state: RolloutHostState;
  readonly why: string | null;
}

/** What has become of a rollout. Who carries it out writes it down first, and only then serves hosts that are `offered`. */
export interface Step {
  /** The hosts whose state, or the reason for it, is another one now. */
  readonly hosts: readonly HostChange[];
  readonly state: RolloutState;
  readonly why: string | null;
  /** When to look again, though nothing is heard by then; absent where it is over. */
  readonly nextLook_ms?: number;
}

export interface StepInput {
  readonly rollout: Pick<Rollout, 'state' | 'why' | 'plan'>;
  readonly hosts: readonly RolloutHost[];
  readonly facts: (host: string) => HostFact;
  readonly now_ms: number;
  /** Since when hosts could have been heard: after a start they are given their time. */
  readonly listening_ms: number;
}

/** The next step of a rollout, from how things are now. Pure: whoever runs it, and however often, it says the same. */
export function step(input: StepInput): Step {
  const { rollout } = input;
  if (isOver(rollout.state)) return { hosts: [], state: rollout.state, why: rollout.why };
  return new Stepper(input).run();
}

interface Seen {
  readonly row: RolloutHost;
  state: RolloutHostState;
  why: string | null;
  /** Since when it is in that state. */
  since_ms: number;
  /** Why it is not waited for: silent or paused. It has, or will get, the revision all the same. */
  excused?: string;
  /** There was never a machine that could answer. */
  unborn: boolean;
}

class Stepper {
  readonly #input: StepInput;
  readonly #seen: readonly Seen[];
  readonly #byHost: ReadonlyMap<string, Seen>;
  readonly #groups: ReadonlyMap<string, Group>;
  readonly #accepted: ReadonlySet<string>;
  readonly #before = new Map<string, readonly string[]>();
  /** By group: its last wave that may begin. */
  readonly #open = new Map<string, number>();
  #next_ms: number;
  /** Some wave waits for its time, or for hosts that are not there. */
  #holding = false;

  constructor(input: StepInput) {
    this.#input = input;
    const { plan } = input.rollout;
    this.#groups = new Map(plan.groups.map((group) => [group.name, group]));
    this.#accepted = new Set(plan.accepted);
    for (const rule of plan.order) for (const host of rule.after) this.#before.set(host, rule.before);
    this.#next_ms = input.now_ms + LOOK_AGAIN_MS;
    this.#seen = input.hosts.map((row) => this.#judge(row));
    this.#byHost = new Map(this.#seen.map((one) => [one.row.host, one]));
  }

  run(): Step {
    const failed = this.#seen.filter(({ row, state }) => state === 'failed' && !this.#accepted.has(row.host));
    const { held } = this.#input.rollout.plan;
    if (failed.length > 0) return this.#ended('paused', failureText(failed));
    if (held !== null && this.#has('waiting')) return this.#ended('paused', held);
    const frozen = this.#advance();
    if (this.#has('waiting')) {
      const stuck = frozen !== undefined && !this.#isUnderWay() && !this.#holding;
      return stuck ? this.#ended('frozen', frozenText(frozen)) : this.#ended('running', null);
    }
    return this.#isUnderWay() ? this.#ended('running', null) : this.#ended('done', this.#remark());
  }

  #isUnderWay(): boolean {
    return this.#seen.some((one) => one.state === 'offered' && !isExcused(one));
  }

  #has(state: RolloutHostState): boolean {
    return this.#seen.some((one) => one.state === state);
  }

  #ended(state: RolloutState, why: string | null): Step {
    const hosts = this.#seen.flatMap(({ row, state: now, why: reason }) =>
      now === row.state && reason === row.why ? [] : [{ host: row.host, state: now, why: reason }],
    );
    if (isOver(state)) return { hosts, state, why };
    return { hosts, state, why, nextLook_ms: Math.max(this.#next_ms, this.#input.now_ms + 1) };
  }

  /** What is heard of a host, turned into its state. */
  #judge(row: RolloutHost): Seen {
    const fact = this.#input.facts(row.host);
    const seen: Seen = {
      row,
      state: row.state,
      why: row.why,
      since_ms: row.since_ms,
      unborn: fact.seen_ms === undefined,
    };
    const become = (state: RolloutHostState, why: string | null): Seen => {
      if (state !== seen.state) seen.since_ms = this.#input.now_ms;
      return Object.assign(seen, { state, why });
    };
    if (row.state === 'unchanged' || row.state === 'gone') return seen;
    if (fact.gone === true) return become('gone', 'it is no host of the desired state any more');
    if (row.state === 'waiting') return seen;
    const report = fact.report?.current === true ? fact.report : undefined;
    if (report?.outcome === 'failed') {
      const why = report.why ?? 'it reports a failure';
      const turnedBad = row.state === 'converged' || row.why?.startsWith(TURNED_BAD) === true;
      return become('failed', turnedBad ? `${TURNED_BAD}${why}` : why);
    }
    if (report?.outcome === 'converged') return become('converged', null);
    if (row.state !== 'offered') return seen;
    return this.#judgeOffered(seen, fact, become);
  }

  #judgeOffered(seen: Seen, fact: HostFact, become: (state: RolloutHostState, why: string | null) => Seen): Seen {
    const { now_ms, listening_ms } = this.#input;
    const { row } = seen;
    const heard_ms = fact.seen_ms ?? 0;
    const quiet_ms = now_ms - Math.max(heard_ms, listening_ms);
    const within = this.#group(row).within;
    if (fact.report?.paused !== undefined) seen.excused = fact.report.paused;
    else if (seen.unborn) seen.excused = 'its agent has never called';
    // Who has called since has what it was offered, and has to answer for it.
    else if (heard_ms < row.since_ms && quiet_ms > SILENT_MS) seen.excused = 'its agent does not call';
    if (seen.excused !== undefined) return become('offered', seen.excused);
    if (now_ms - row.since_ms >= within) {
      const detail = fact.report?.why === undefined ? '' : `: ${fact.report.why}`;
      return become('failed', `not converged within ${durationText(within)}${detail}`);
    }
    this.#look(row.since_ms + within);
    if (heard_ms < row.since_ms) this.#look(Math.max(heard_ms, listening_ms) + SILENT_MS + 1);
    return become('offered', null);
  }

  /** Opens the waves that may begin. Returns the freeze that keeps some of them closed. */
  #advance(): Frozen | undefined {
    const waiting = this.#seen.filter(({ state }) => state === 'waiting');
    const candidates = waiting.filter((one) => this.#waveIsOpen(one.row));
    let frozen: Frozen | undefined;
    const free = candidates.filter((one) => {
      const freeze = this.#freezeOf(this.#group(one.row));
      if (freeze !== undefined && (frozen === undefined || freeze.until_ms > frozen.until_ms)) frozen = freeze;
      return freeze === undefined;
    });
    const ready = free.filter((one) => this.#mayGo(one.row.host));
    // Waves and order can contradict each other: then the waves go on, since nothing else would ever happen.
    const deadlocked = ready.length === 0 && frozen === undefined && !this.#holding && !this.#has('offered');
    for (const one of deadlocked ? free : ready) {
      Object.assign(one, { state: 'offered', why: null, since_ms: this.#input.now_ms });
      this.#look(this.#input.now_ms + this.#group(one.row).within);
    }
    if (frozen !== undefined) this.#look(frozen.until_ms);
    return frozen;
  }

  #freezeOf(group: Group): Frozen | undefined {
    return this.#input.rollout.plan.ignoresFreeze ? undefined : frozenBy(group.freeze, this.#input.now_ms);
  }

  #mayGo(host: string): boolean {
    return (this.#before.get(host) ?? []).every((other) => {
      const one = this.#byHost.get(other);
      return one === undefined || one.state === 'converged' || one.state === 'gone' || isGivenUp(one);
    });
  }

  /** Whether all waves before the host's are done and have held. */
  #waveIsOpen(row: RolloutHost): boolean {
    let open = this.#open.get(row.group);
    if (open === undefined) {
      open = this.#openWave(this.#group(row));
      this.#open.set(row.group, open);
    }
    return row.wave <= open;
  }

  #openWave(group: Group): number {
    const members = this.#seen.filter(({ row }) => row.group === group.name);
    for (let wave = 0; wave < group.waves - 1; wave += 1) {
      const hosts = members.filter(({ row }) => row.wave === wave);
      if (!hosts.every(isSettled)) return wave;
      const good = hosts.filter(({ state }) => state === 'converged');
      // Nobody has proved anything: those that were not heard may all have been cut off by one broken network.
      if (good.length === 0 && hosts.some((one) => one.excused !== undefined && !one.unborn)) {
        this.#holding = true;
        return wave;
      }
      const held_ms = Math.max(0, ...good.map(({ since_ms }) => since_ms)) + group.hold;
      if (good.length > 0 && this.#input.now_ms < held_ms && members.some(({ row }) => row.wave > wave)) {
        this.#look(held_ms);
        this.#holding = true;
        return wave;
      }
    }
    return group.waves - 1;
  }

  #group(row: RolloutHost): Group {
    const group = this.#groups.get(row.group);
    if (group === undefined) throw new Error(`the rollout has no group "${row.group}"`);
    return group;
  }

  #look(at_ms: number): void {
    if (at_ms > this.#input.now_ms) this.#next_ms = Math.min(this.#next_ms, at_ms);
  }

  /** What is left to say of a rollout that is done. */
  #remark(): string | null {
    const absent = this.#seen.filter((one) => one.state === 'offered').map(({ row }) => row.host);
    const failed = this.#seen.filter((one) => one.state === 'failed').map(({ row }) => row.host);
    const parts = [
      ...(absent.length === 0 ? [] : [`will get it when they call: ${some(absent)}`]),
      ...(failed.length === 0 ? [] : [`failed, and accepted: ${some(failed)}`]),
    ];
    return parts.length === 0 ? null : parts.join('; ');
  }
}

function isExcused(one: Seen): boolean {
  return one.excused !== undefined;
}

/** Only accepted failures are still there when waves are looked at. */
function isGivenUp(one: Seen): boolean {
  return one.state === 'failed' || one.unborn;
}

function isSettled(one: Seen): boolean {
  return one.state !== 'waiting' && (one.state !== 'offered' || isExcused(one));
}

function failureText(failed: readonly Seen[]): string {
  const [first] = failed;
  const more = failed.length === 1 ? '' : ` (and ${failed.length - 1} more)`;
  return `${first?.row.host} failed: ${first?.why ?? ''}${more}`;
}

function frozenText({ why, until_ms }: Frozen): string {
  return `frozen until ${new Date(until_ms).toISOString().slice(0, 16)}Z: ${why}`;
}

const SHOWN = 5;

function some(hosts: readonly string[]): string {
  const more = hosts.length > SHOWN ? ` and ${hosts.length - SHOWN} more` : '';
  return `${hosts.slice(0, SHOWN).join(', ')}${more}`;
}

function durationText(duration_ms: number): string {
  if (duration_ms % 60_000 === 0) return `${duration_ms / 60_000} min`;
  return `${Math.round(duration_ms / 1000)} s`;
}

/** Why a host does not have the revision yet, for itself and for who looks at it. Pure. */
export function whyWaiting(rollout: Pick<Rollout, 'id' | 'state' | 'why' | 'plan'>, row: RolloutHost): string {
  const group = rollout.plan.groups.find(({ name }) => name === row.group);
  const wave = `waits for wave ${row.wave + 1} of ${group?.waves ?? row.wave + 1} of ${row.group}`;
  const state = rollout.state === 'running' ? '' : `; rollout ${rollout.id} is ${rollout.state}: ${rollout.why ?? ''}`;
  return `${wave}${state}`;
}
