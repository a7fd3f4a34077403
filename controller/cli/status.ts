import type { HostStatus } from '../hosts.ts';
import type { Command, Io, Work } from './command.ts';
import { hostColumns } from './hosts.ts';
import { paintState } from './paint.ts';
import { CommandError } from './settings.ts';
import { table } from './table.ts';
import { agoText, count, oneLine, short, spanText } from './text.ts';

export interface StatusAnswer {
  readonly served?: { readonly revision: string; readonly since_ms: number };
  readonly wanted?: { readonly revision: string; readonly seen_ms: number; readonly refused: boolean };
  readonly whyDifferent?: string;
  readonly trouble?: { readonly message: string; readonly since_ms: number };
  readonly issues: readonly { readonly text: string }[];
  readonly hosts: readonly HostStatus[];
}

/** How often it is looked at again, and how many hosts it shows at once. */
const EVERY_MS = 2000;
const MOST_SHOWN = 50;

export const status: Command = {
  name: 'status',
  summary: 'what is wanted, what is served, and every host that is not what it should be',
  options: { watch: { short: 'w', help: 'goes on until Ctrl-C' } },
  status1: 'something is not what it should be',
  online: true,
  async run(work) {
    if (work.flag('watch')) return watch(work);
    const answer = await (await work.client()).ask<StatusAnswer>('GET /v1/status');
    work.answer(answer, () => statusText(answer, work.io));
    return isGood(answer) ? 0 : 1;
  },
};

export function isGood({ hosts, whyDifferent, trouble }: StatusAnswer): boolean {
  return whyDifferent === undefined && trouble === undefined && hosts.every(({ state }) => state === 'converged');
}

export function statusText(answer: StatusAnswer, io: Io): string {
  const { served, wanted, whyDifferent, trouble, issues, hosts } = answer;
  const now_ms = io.now_ms();
  const lines = [
    served === undefined
      ? 'nothing is served yet'
      : `revision ${short(served.revision)} is served for ${spanText(now_ms - served.since_ms)}`,
  ];
  if (wanted !== undefined && wanted.revision !== served?.revision) {
    const how = wanted.refused ? io.paint('red', 'refused') : 'wanted';
    lines.push(`revision ${short(wanted.revision)} is ${how}, seen ${agoText(wanted.seen_ms, now_ms)}`);
  }
  if (whyDifferent !== undefined) lines.push(oneLine(whyDifferent));
  lines.push(...issues.map(({ text }) => `  ${oneLine(text)}`));
  if (trouble !== undefined) lines.push(`${io.paint('red', 'trouble')}: ${oneLine(trouble.message)}`);
  lines.push(sumOf(hosts, io));
  const others = hosts.filter(({ state }) => state !== 'converged');
  const shown = others.slice(0, MOST_SHOWN);
  const rows = shown.length === 0 ? '' : `\n${table(shown, hostColumns(now_ms), io)}`;
  const more = others.length > shown.length ? `and ${others.length - shown.length} more: holdfast hosts\n` : '';
  return `${lines.join('\n')}\n${rows}${more}`;
}

/** `3 hosts: 2 converged, 1 failed` */
function sumOf(hosts: readonly HostStatus[], { paint }: Io): string {
  const counts = new Map<string, number>();
  for (const { state } of hosts) counts.set(state, (counts.get(state) ?? 0) + 1);
  const parts = [...counts].sort(([, a], [, b]) => b - a).map(([state, n]) => `${n} ${paintState(state, paint)}`);
  return `${count(hosts.length, 'host')}${parts.length === 0 ? '' : `: ${parts.join(', ')}`}`;
}

/** On a terminal in its place; elsewhere what has changed, one after the other. A controller that is away is waited for. */
async function watch(work: Work): Promise<never> {
  const { io } = work;
  const client = await work.client();
  let before = '';
  for (;;) {
    let text: string;
    try {
      const answer = await client.ask<StatusAnswer>('GET /v1/status');
      text = work.flag('json') ? `${JSON.stringify(answer)}\n` : statusText(answer, io);
    } catch (error) {
      if (!(error instanceof CommandError) || before === '') throw error;
      text = `${error.message}\n`;
    }
    if (io.width !== undefined && !work.flag('json')) io.out(`\u001b[H\u001b[2J${text}`);
    else if (text !== before) io.out(text);
    before = text;
    await new Promise((resolve) => {
      setTimeout(resolve, EVERY_MS);
    });
  }
}
