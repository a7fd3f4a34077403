import { UsageError } from '../options.ts';
import type { Rollout, RolloutHost } from '../rollout/model.ts';
import type { Command, Work } from './command.ts';
import { numberIn } from './command.ts';
import { paintState } from './paint.ts';
import { table } from './table.ts';
import { agoText, oneLine, short, spanText } from './text.ts';

type RolloutAnswer = Rollout & {
  readonly counts: Readonly<Record<string, number>>;
  readonly hosts: readonly RolloutHost[];
};
type Ordered = Pick<Rollout, 'id' | 'revision' | 'state' | 'why'>;

const NO_REASON = 'no reason given';

export const rolloutList: Command = {
  name: 'rollout list',
  summary: 'rollouts, the newest first',
  options: { limit: { value: 'N', help: 'how many (default: 20)' } },
  online: true,
  async run(work) {
    const { io } = work;
    const limit = String(numberIn(work, 'limit', 20, 200));
    const client = await work.client();
    const answer = await client.ask<{ rollouts: readonly Rollout[] }>('GET /v1/rollouts', { query: { limit } });
    work.answer(answer, () => {
      if (answer.rollouts.length === 0) return 'no rollout yet\n';
      const columns = [
        { title: 'ID', value: ({ id }: Rollout) => id, right: true as const },
        { title: 'REVISION', value: ({ revision }: Rollout) => short(revision) },
        { title: 'STATE', value: ({ state }: Rollout) => state, state: true as const },
        { title: 'CAUSE', value: ({ cause }: Rollout) => cause },
        { title: 'BY', value: ({ startedBy }: Rollout) => startedBy },
        { title: 'BEGAN', value: ({ started_ms }: Rollout) => agoText(started_ms, io.now_ms()) },
        { title: 'TOOK', value: (one: Rollout) => spanText((one.ended_ms ?? io.now_ms()) - one.started_ms) },
        { title: 'WHY', value: ({ why }: Rollout) => why ?? undefined },
      ];
      return table(answer.rollouts, columns, io);
    });
    return 0;
  },
};

export const rolloutStatus: Command = {
  name: 'rollout status',
  args: '[ID]',
  summary: 'the newest rollout, or another: its waves, and the hosts that are not done',
  options: { all: { short: 'a', help: 'the hosts that are done as well' } },
  status1: 'the rollout is paused or was aborted',
  online: true,
  async run(work) {
    const [id = 'current'] = work.args;
    const answer = await (await work.client()).ask<RolloutAnswer>('GET /v1/rollouts/{id}', { path: { id } });
    work.answer(answer, () => rolloutText(answer, work));
    return answer.state === 'paused' || answer.state === 'aborted' ? 1 : 0;
  },
};

function rolloutText(rollout: RolloutAnswer, work: Work): string {
  const { io } = work;
  const now_ms = io.now_ms();
  const { id, revision, state, why, startedBy, started_ms, counts, hosts, plan } = rollout;
  const parts = Object.entries(counts).map(([name, number]) => `${number} ${paintState(name, io.paint)}`);
  const reason = why === null ? '' : `: ${oneLine(why)}`;
  const next =
    state === 'paused'
      ? ['push the fix, or: holdfast rollout resume, holdfast rollout abort [--rollback]']
      : state === 'frozen'
        ? ['to go on all the same: holdfast rollout resume --during-freeze']
        : [];
  const lines = [
    `rollout ${id} of revision ${short(revision)} is ${paintState(state, io.paint)}${reason}`,
    `begun ${agoText(started_ms, now_ms)} by ${oneLine(startedBy)}; ${parts.join(', ') || 'no host'}; ${plan.unchanged} unchanged`,
    ...plan.groups.filter(({ waves }) => waves > 1).map(({ name, waves }) => waveLine(name, waves, hosts)),
    ...next,
  ];
  const shown = hosts.filter((host) => work.flag('all') || host.state !== 'converged');
  const columns = [
    { title: 'HOST', value: ({ host }: RolloutHost) => host },
    { title: 'GROUP', value: ({ group }: RolloutHost) => group },
    { title: 'WAVE', value: ({ wave }: RolloutHost) => wave + 1, right: true as const },
    { title: 'STATE', value: (one: RolloutHost) => one.state, state: true as const },
    { title: 'SINCE', value: ({ since_ms }: RolloutHost) => agoText(since_ms, now_ms) },
    { title: 'WHY', value: (one: RolloutHost) => one.why ?? undefined },
  ];
  return `${lines.join('\n')}\n${shown.length === 0 ? '' : `\n${table(shown, columns, io)}`}`;
}

/** `live/web: wave 2 of 3` */
function waveLine(group: string, waves: number, hosts: readonly RolloutHost[]): string {
  const begun = hosts.filter((host) => host.group === group && host.state !== 'waiting').map(({ wave }) => wave + 1);
  return `${oneLine(group)}: wave ${Math.max(0, ...begun)} of ${waves}`;
}

export const rolloutResume: Command = {
  name: 'rollout resume',
  summary: 'goes on in spite of what has failed so far',
  options: { 'during-freeze': { help: 'in spite of a freeze, too' } },
  online: true,
  async run(work) {
    const body = { duringFreeze: work.flag('during-freeze') };
    const answer = await (await work.client()).ask<Ordered>('POST /v1/rollouts/current/resume', { body });
    return ordered(work, answer);
  },
};

export const rolloutPause: Command = {
  name: 'rollout pause',
  summary: 'gives the revision to nobody else until it is resumed',
  options: { why: { value: 'TEXT', help: 'the reason, for those who find it paused' } },
  online: true,
  async run(work) {
    const body = { why: reasonOf(work) };
    const answer = await (await work.client()).ask<Ordered>('POST /v1/rollouts/current/pause', { body });
    return ordered(work, answer);
  },
};

export const rolloutAbort: Command = {
  name: 'rollout abort',
  summary: 'ends the rollout: who has the revision keeps it, who waits goes on with what it has',
  options: {
    rollback: { help: 'hosts that were given the revision get back what they had before' },
    why: { value: 'TEXT', help: 'the reason' },
  },
  online: true,
  async run(work) {
    const body = { why: reasonOf(work), rollback: work.flag('rollback') };
    const answer = await (await work.client()).ask<Ordered>('POST /v1/rollouts/current/abort', { body });
    return ordered(work, answer);
  },
};

function reasonOf(work: Work): string {
  const why = work.text('why') ?? NO_REASON;
  if (why.trim() === '') throw new UsageError('--why expects a reason');
  return why;
}

function ordered(work: Work, answer: Ordered): number {
  const { id, revision, state, why } = answer;
  const reason = why === null ? '' : `: ${oneLine(why)}`;
  work.answer(
    answer,
    () => `rollout ${id} of revision ${short(revision)} is ${paintState(state, work.io.paint)}${reason}\n`,
  );
  return 0;
}
