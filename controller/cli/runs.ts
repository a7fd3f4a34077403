import type { RunDetail, RunRow } from '../store/runs.ts';
import type { Client } from './client.ts';
import { type Command, numberIn } from './command.ts';
import { paintState } from './paint.ts';
import { resourceLines } from './resource-lines.ts';
import { table } from './table.ts';
import { agoText, momentText, oneLine, short, spanText } from './text.ts';

export interface RunsPage {
  readonly runs: readonly RunRow[];
  readonly next?: string;
}

export type RunAnswer = RunRow & { readonly detail: RunDetail };

export function askRuns(client: Client, host: string | undefined, limit: number, cursor?: string): Promise<RunsPage> {
  const query = { limit: String(limit), cursor };
  return host === undefined
    ? client.ask<RunsPage>('GET /v1/runs', { query })
    : client.ask<RunsPage>('GET /v1/hosts/{host}/runs', { path: { host }, query });
}

export const runs: Command = {
  name: 'runs',
  args: '[HOST]',
  summary: 'runs that changed or found something, the newest first',
  options: {
    limit: { value: 'N', help: 'how many (default: 20)' },
    cursor: { value: 'CURSOR', help: 'those that are older than what was shown before' },
  },
  online: true,
  async run(work) {
    const { args, io } = work;
    const limit = numberIn(work, 'limit', 20, 500);
    const answer = await askRuns(await work.client(), args[0], limit, work.text('cursor'));
    work.answer(answer, () => {
      if (answer.runs.length === 0) return 'no run that changed or found anything\n';
      const columns = [
        { title: 'ID', value: ({ id }: RunRow) => id, right: true as const },
        { title: 'HOST', value: ({ host }: RunRow) => host },
        { title: 'WHEN', value: ({ at_ms }: RunRow) => agoText(at_ms, io.now_ms()) },
        { title: 'STATUS', value: ({ status }: RunRow) => status, state: true as const },
        { title: 'CHANGED', value: ({ changed }: RunRow) => changed, right: true as const },
        { title: 'FAILED', value: ({ failed }: RunRow) => failed, right: true as const },
        { title: 'TOOK', value: ({ duration_ms }: RunRow) => spanText(duration_ms), right: true as const },
        { title: 'REVISION', value: ({ revision }: RunRow) => short(revision) },
      ];
      return table(answer.runs, columns, io);
    });
    if (answer.next !== undefined && !work.flag('json')) io.err(`older ones: --cursor ${answer.next}\n`);
    return 0;
  },
};

export const run: Command = {
  name: 'run',
  args: 'ID',
  summary: 'one run, with what it changed and the diffs',
  online: true,
  async run(work) {
    const { args, io } = work;
    const path = { id: args[0] ?? '' };
    const answer = await (await work.client()).ask<RunAnswer>('GET /v1/runs/{id}', { path });
    work.answer(answer, () => {
      const { id, host, at_ms, revision, status, duration_ms, detail } = answer;
      const counts = Object.entries(detail.counts).map(([name, number]) => `${number} ${oneLine(name)}`);
      const what = detail.dryRun ? ' (nothing was changed: a dry run)' : '';
      const lines = [
        `run ${id} on ${host}, ${momentText(at_ms)}: ${paintState(status, io.paint)}${what}`,
        `revision ${short(revision)}, took ${spanText(duration_ms)}; ${counts.join(', ')}`,
        ...detail.past.flatMap((entry) => [
          `${momentText(entry.at_ms)} ${short(entry.revision)}`,
          ...resourceLines(entry.resource, io, true).map((line) => `  ${line}`),
        ]),
        ...detail.resources.flatMap((resource) => resourceLines(resource, io, true)),
        ...(detail.cut === undefined ? [] : [`the ${detail.cut} of this run were too long to be kept`]),
        ...(detail.pastDropped === 0 ? [] : [`${detail.pastDropped} older events were lost while it was away`]),
      ];
      return `${lines.join('\n')}\n`;
    });
    return 0;
  },
};
