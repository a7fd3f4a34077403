import type { ReportedResource } from '../../desired-state/schema/report.ts';
import { type Command, numberIn } from './command.ts';
import { resourceLines } from './resource-lines.ts';
import { askRuns, type RunAnswer } from './runs.ts';
import { momentText } from './text.ts';

/** What happened on a host at one moment. */
export interface Happened {
  readonly at_ms: number;
  readonly host: string;
  readonly revision: string;
  readonly resource: ReportedResource;
}

const AT_ONCE = 4;

export const logs: Command = {
  name: 'logs',
  args: '[HOST]',
  summary: 'changes and failures in the order of time, of all hosts or one',
  options: {
    runs: { value: 'N', help: 'those of the newest N runs (default: 20)' },
    diff: { help: 'with diffs' },
  },
  online: true,
  async run(work) {
    const { args, io } = work;
    const client = await work.client();
    const { runs } = await askRuns(client, args[0], numberIn(work, 'runs', 20, 500));
    const found: RunAnswer[] = [];
    for (let start = 0; start < runs.length; start += AT_ONCE) {
      const some = runs.slice(start, start + AT_ONCE);
      const ask = ({ id }: { id: number }) => client.ask<RunAnswer>('GET /v1/runs/{id}', { path: { id: String(id) } });
      found.push(...(await Promise.all(some.map(ask))));
    }
    const events = happenedIn(found);
    work.answer({ events }, () => {
      if (events.length === 0) return 'nothing has happened\n';
      const lines = events.flatMap(({ at_ms, host, resource }) => {
        const [head = '', ...more] = resourceLines(resource, io, work.flag('diff'));
        return [`${io.paint('dim', momentText(at_ms))} ${io.paint('bold', host)} ${head}`, ...more];
      });
      return `${lines.join('\n')}\n`;
    });
    return 0;
  },
};

/** The oldest first. What a run tells twice, as an event and as how a resource is, is there once. */
export function happenedIn(found: readonly RunAnswer[]): readonly Happened[] {
  const events = found.flatMap(({ host, revision, detail }): Happened[] => {
    const past = detail.past.map(({ at_ms, revision: of, resource }) => ({ at_ms, host, revision: of, resource }));
    const told = new Set(past.map(({ resource }) => keyOf(resource)));
    const rest = detail.resources
      .filter((resource) => !told.has(keyOf(resource)))
      .map((resource) => ({ at_ms: detail.started_ms, host, revision, resource }));
    return [...past, ...rest];
  });
  return events.sort((a, b) => a.at_ms - b.at_ms || (a.host < b.host ? -1 : 1));
}

function keyOf({ kind, name, status }: ReportedResource): string {
  return `${status} ${kind}/${name}`;
}
