import type { PauseState } from '../../desired-state/schema/report.ts';
import { UsageError } from '../options.ts';
import type { Command } from './command.ts';
import { momentText } from './text.ts';

export const pause: Command = {
  name: 'pause',
  args: 'HOST',
  summary: 'keeps the agent of a host from changing anything; it goes on looking and reporting',
  options: {
    why: { value: 'TEXT', help: 'the reason, for those who find the host paused; wanted' },
    for: { value: 'DURATION', help: 'such as 30m or 2d, at most 7d (default: 1h)' },
  },
  online: true,
  async run(work) {
    const [host = ''] = work.args;
    const why = work.text('why');
    if (why === undefined) throw new UsageError('--why is wanted, for those who find the host paused');
    const answer = await (await work.client()).ask<PauseState>('POST /v1/hosts/{host}/pause', {
      path: { host },
      body: { for: work.text('for') ?? '1h', why },
    });
    work.answer(
      answer,
      () => `${host} is paused until ${momentText(answer.until_ms)}; to end it: holdfast resume ${host}\n`,
    );
    return 0;
  },
};

export const resume: Command = {
  name: 'resume',
  args: 'HOST',
  summary: 'ends the pause of a host',
  online: true,
  async run(work) {
    const [host = ''] = work.args;
    await (await work.client()).ask<undefined>('DELETE /v1/hosts/{host}/pause', { path: { host } });
    work.answer({ host, paused: false }, () => `${host} goes on\n`);
    return 0;
  },
};
