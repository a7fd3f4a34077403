/** What agents of one process have seen, in a form that crosses processes. Moments are by `Date.now()`. */
export interface Seen {
  /** What was sought, and which controller was watched, when it was seen. */
  readonly revision: string;
  readonly controller: string;
  /** Agents that have a manifest of the sought revision, and the moment of the last one. */
  readonly given: number;
  readonly lastGiven_ms: number;
  /** Agents whose report of that revision was taken. */
  readonly reported: number;
  readonly lastReported_ms: number;
  /** Agents of the watched controller that have had any answer since it is watched. */
  readonly answered: number;
  readonly lastAnswered_ms: number;
  /** Requests for a manifest that are under way. */
  readonly asking: number;
  /** Requests that got no answer: refused, reset, timed out; by what it said. */
  readonly lost: Readonly<Record<string, number>>;
  /** Answers other than those that were asked for; by what they said. */
  readonly errors: Readonly<Record<string, number>>;
}

export function sumOf(parts: readonly Seen[]): Seen {
  const sum = (of: (seen: Seen) => number): number => parts.reduce((total, seen) => total + of(seen), 0);
  const last = (of: (seen: Seen) => number): number => Math.max(0, ...parts.map(of));
  return {
    revision: parts[0]?.revision ?? '',
    controller: parts[0]?.controller ?? '',
    given: sum(({ given }) => given),
    lastGiven_ms: last(({ lastGiven_ms }) => lastGiven_ms),
    reported: sum(({ reported }) => reported),
    lastReported_ms: last(({ lastReported_ms }) => lastReported_ms),
    answered: sum(({ answered }) => answered),
    lastAnswered_ms: last(({ lastAnswered_ms }) => lastAnswered_ms),
    asking: sum(({ asking }) => asking),
    lost: merged(parts.map(({ lost }) => lost)),
    errors: merged(parts.map(({ errors }) => errors)),
  };
}

export function countOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}

function merged(all: readonly Readonly<Record<string, number>>[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const one of all) for (const [what, count] of Object.entries(one)) counts[what] = (counts[what] ?? 0) + count;
  return counts;
}

/** Counts for the agents of one process. */
export class Tally {
  #revision = '';
  #controller = '';
  readonly #given = new Map<string, number>();
  readonly #reported = new Map<string, number>();
  readonly #answered = new Map<string, number>();
  #asking = 0;
  readonly #lost: Record<string, number> = {};
  readonly #errors: Record<string, number> = {};

  /** From now on this revision counts. */
  seek(revision: string): void {
    this.#revision = revision;
    this.#given.clear();
    this.#reported.clear();
  }

  /** From now on answers of this controller count. */
  watch(controller: string): void {
    this.#controller = controller;
    this.#answered.clear();
  }

  given(host: string, revision: string): void {
    if (revision === this.#revision) note(this.#given, host);
  }

  reported(host: string, revision: string | undefined): void {
    if (revision === this.#revision) note(this.#reported, host);
  }

  asks(): void {
    this.#asking += 1;
  }

  ends(): void {
    this.#asking -= 1;
  }

  answered(host: string, controller: string): void {
    if (controller === this.#controller) note(this.#answered, host);
  }

  lost(what: string): void {
    this.#lost[what] = (this.#lost[what] ?? 0) + 1;
  }

  error(what: string): void {
    this.#errors[what] = (this.#errors[what] ?? 0) + 1;
  }

  get seen(): Seen {
    return {
      revision: this.#revision,
      controller: this.#controller,
      given: this.#given.size,
      lastGiven_ms: lastOf(this.#given),
      reported: this.#reported.size,
      lastReported_ms: lastOf(this.#reported),
      answered: this.#answered.size,
      lastAnswered_ms: lastOf(this.#answered),
      asking: this.#asking,
      lost: this.#lost,
      errors: this.#errors,
    };
  }
}

function note(moments: Map<string, number>, host: string): void {
  if (!moments.has(host)) moments.set(host, Date.now());
}

/** A Map is in the order of its insertions. */
function lastOf(moments: ReadonlyMap<string, number>): number {
  let last = 0;
  for (const moment of moments.values()) last = moment;
  return last;
}
