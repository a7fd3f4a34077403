import type { Command } from './command.ts';
import { isGood, type StatusAnswer } from './status.ts';
import { count, oneLine, short } from './text.ts';

/** The controller itself waits for a minute. */
const BOUND_MS = 75_000;

type RefreshAnswer = Omit<StatusAnswer, 'hosts'> & { readonly changed: readonly string[] };

export const refresh: Command = {
  name: 'refresh',
  summary: 'makes the controller look at its repository now',
  status1: 'the revision there is not served',
  online: true,
  async run(work) {
    const answer = await (await work.client()).ask<RefreshAnswer>('POST /v1/refresh', { bound_ms: BOUND_MS });
    work.answer(answer, () => {
      const lines = [
        `revision ${short(answer.served?.revision)} is served; ${count(answer.changed.length, 'host')} with another manifest`,
        ...(answer.whyDifferent === undefined ? [] : [oneLine(answer.whyDifferent)]),
        ...answer.issues.map(({ text }) => `  ${oneLine(text)}`),
        ...(answer.trouble === undefined ? [] : [`trouble: ${oneLine(answer.trouble.message)}`]),
      ];
      return `${lines.join('\n')}\n`;
    });
    return isGood({ ...answer, hosts: [] }) ? 0 : 1;
  },
};
