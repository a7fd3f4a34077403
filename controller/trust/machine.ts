import * as v from 'valibot';

/** The header by which an agent says which machine it runs on: `<machine>.<install>[.<start>]` in hex. */
export const MACHINE_HEADER = 'holdfast-machine';

/** What an agent says of its machine. */
export interface MachineClaim {
  /** Hash of the machine-id, and the id that was drawn when the agent was enrolled: other on another machine. */
  readonly id: string;
  /** Drawn at each start of the daemon: other on a copy that runs beside its original. Absent for commands, which come and go. */
  readonly start: string | undefined;
}

/** What is known of the machine that a certificate was given to. */
export interface KnownMachine {
  readonly id: string;
  /** Starts of its agent, the latest first. */
  readonly starts: readonly string[];
  /** How often an earlier start came back after a later one. */
  readonly returns: number;
}

/**
 * An agent that was started anew never speaks as an earlier start again. Once, that may be a last message that was late;
 * two machines that share one identity do it all the time.
 */
const RETURNS_OF_A_COPY = 2;
const KEPT_STARTS = 8;

/** `first`: the certificate is used for the first time; `changed`: to be written down; `other` and `copy`: to be refused. */
export type MachineVerdict =
  | { readonly is: 'known' | 'other' | 'copy'; readonly machine?: undefined }
  | { readonly is: 'first' | 'changed'; readonly machine: KnownMachine };

export function judgeMachine(known: KnownMachine, { id, start }: MachineClaim): MachineVerdict {
  if (isCopied(known)) return { is: 'copy' };
  if (id !== known.id) return { is: 'other' };
  const [latest] = known.starts;
  if (start === undefined || latest === start) return { is: 'known' };
  const starts = [start, ...known.starts.filter((one) => one !== start)].slice(0, KEPT_STARTS);
  const returns = known.returns + (known.starts.includes(start) ? 1 : 0);
  return { is: latest === undefined ? 'first' : 'changed', machine: { id, starts, returns } };
}

export function isCopied({ returns }: KnownMachine): boolean {
  return returns >= RETURNS_OF_A_COPY;
}

/** What an enrolment names: the claim without its start. */
export const MACHINE_ID = /^[0-9a-f]{32}\.[0-9a-f]{32}$/;

const CLAIM = /^([0-9a-f]{32}\.[0-9a-f]{32})(?:\.([0-9a-f]{16,32}))?$/;

export function parseClaim(header: unknown): MachineClaim | undefined {
  const [, id, start] = (typeof header === 'string' ? CLAIM.exec(header) : undefined) ?? [];
  return id === undefined ? undefined : { id, start };
}

const knownSchema = v.object({ id: v.string(), starts: v.array(v.string()), returns: v.number() });

export function parseMachine(text: string | null): KnownMachine | undefined {
  return text === null ? undefined : v.parse(knownSchema, JSON.parse(text));
}
