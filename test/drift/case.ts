/** One thing that somebody does to a host by hand, what the plan has to say of it, and how to see that it is healed. */
import type { Hazard } from '../../agent/resource.ts';
import type { Side } from './deployment.ts';

export interface Found {
  /** `kind/name`. */
  readonly resource: string;
  /** Matches the summary of one of its changes. */
  readonly says: RegExp;
  readonly hazard?: Hazard;
}

export interface Case extends Found {
  /** What was done, such as `a site file is edited`. */
  readonly name: string;
  readonly on: Side;
  /** A bash script; see `PRELUDE`. */
  readonly by: string;
  /** What else it puts out of order: every difference that a plan shows has to be one that a case names. */
  readonly also?: readonly Found[];
  /** A bash script that fails unless the host is as it was, seen with other eyes than the agent's. */
  readonly healed?: string;
  /** Two cases that touch the same thing are not broken together; the resource unless told. */
  readonly touches?: readonly string[];
  /** Breaks so much that nothing else is broken beside it on this host. */
  readonly alone?: true;
}

/** For the scripts: what changes from run to run. */
export const PRELUDE = `
ADDRESS=$(hostname -I | cut -d' ' -f1)
if [ -L /run/todo/gunicorn.sock ]; then
  LIVE=$(basename "$(readlink /run/todo/gunicorn.sock)" .sock)
  SLOT=/etc/supervisor/conf.d/release-todo-$LIVE.conf
fi
# Through stdin: the journal keeps the arguments of what writes to it.
psql_do() { (cd / && printf '%s;\\n' "$@" | runuser -u postgres -- psql -v ON_ERROR_STOP=1 -qXAt); }
# gunicorn writes its title over the environment that /proc shows: its age tells what it has read.
started_after() { [ "$(ps -o etimes= -p "$1")" -le "$(($(date +%s) - $(stat -c %Y "$2") + 1))" ]; }
until_true() { timeout 30 bash -c "until $1; do sleep 0.1; done"; }
`;

/** A text that stands in files by hand and is nobody's to see: what only root may read may hold a secret. */
export const BY_HAND = 'typed-by-hand-7d1f0c';

/**
 * Packs cases into rounds, first fit: in a round nothing is touched twice on one host, and what breaks much is alone.
 * One dry run and one heal per round keep the time down; each case is still asserted by itself.
 */
export function roundsOf(cases: readonly Case[]): readonly (readonly Case[])[] {
  const rounds: Case[][] = [];
  for (const one of cases) {
    const round = rounds.find((others) => others.every((other) => goTogether(one, other)));
    if (round === undefined) rounds.push([one]);
    else round.push(one);
  }
  return rounds;
}

function goTogether(a: Case, b: Case): boolean {
  if (a.on !== b.on) return true;
  if (a.alone === true || b.alone === true) return false;
  const touched = new Set(touches(a));
  return touches(b).every((one) => !touched.has(one));
}

function touches(one: Case): readonly string[] {
  return one.touches ?? [one.resource];
}
