import type { AuditRow } from '../store/audit.ts';
import type { RevisionRow } from '../store/revisions.ts';
import { type Command, numberIn, type Options } from './command.ts';
import { table } from './table.ts';
import { agoText, momentText, short } from './text.ts';

const PAGE: Options = {
  limit: { value: 'N', help: 'how many (default: 20)' },
  cursor: { value: 'CURSOR', help: 'those that are older than what was shown before' },
};

interface ShownRevision extends Omit<RevisionRow, 'issues'> {
  readonly issues: readonly { readonly text: string }[];
}

export const revisions: Command = {
  name: 'revisions',
  summary: 'revisions that were offered, the newest first, by whom, and why they were refused',
  about: 'Of a push that was refused only this is kept. One that was good before and is pushed again stays good.',
  options: PAGE,
  online: true,
  async run(work) {
    const { io } = work;
    const query = { limit: String(numberIn(work, 'limit', 20, 500)), cursor: work.text('cursor') };
    type Answer = { readonly revisions: readonly ShownRevision[]; readonly next?: string };
    const answer = await (await work.client()).ask<Answer>('GET /v1/revisions', { query });
    work.answer(answer, () => {
      if (answer.revisions.length === 0) return 'no revision yet\n';
      const columns = [
        { title: 'REVISION', value: ({ revision }: ShownRevision) => short(revision), whole: true as const },
        { title: 'STATE', value: ({ state }: ShownRevision) => state, state: true as const },
        { title: 'WHEN', value: ({ seen_ms }: ShownRevision) => agoText(seen_ms, io.now_ms()) },
        { title: 'BY', value: ({ pushedBy }: ShownRevision) => pushedBy },
        { title: 'SUBJECT', value: ({ subject }: ShownRevision) => subject },
        { title: 'WHY', value: whyRefused },
      ];
      return table(answer.revisions, columns, io);
    });
    if (answer.next !== undefined && !work.flag('json')) io.err(`older ones: --cursor ${answer.next}\n`);
    return 0;
  },
};

export const audit: Command = {
  name: 'audit',
  summary: 'who did what, from where, and what was refused, the newest first',
  options: {
    actor: { value: 'ACTOR', help: 'only of this one, such as token:ann' },
    action: { value: 'ACTION', help: 'only this, such as pause or rollout.abort' },
    subject: { value: 'SUBJECT', help: 'only what was done to this, such as a host' },
    ...PAGE,
  },
  online: true,
  async run(work) {
    const { io } = work;
    const query = {
      limit: String(numberIn(work, 'limit', 20, 500)),
      cursor: work.text('cursor'),
      actor: work.text('actor'),
      action: work.text('action'),
      subject: work.text('subject'),
    };
    type Answer = { readonly audit: readonly AuditRow[]; readonly next?: string };
    const answer = await (await work.client()).ask<Answer>('GET /v1/audit', { query });
    work.answer(answer, () => {
      if (answer.audit.length === 0) return 'nothing\n';
      const columns = [
        { title: 'WHEN', value: ({ at_ms }: AuditRow) => momentText(at_ms), whole: true as const },
        { title: 'WHO', value: ({ actor }: AuditRow) => actor },
        { title: 'FROM', value: ({ address }: AuditRow) => address },
        { title: 'DID', value: ({ action }: AuditRow) => action },
        { title: 'TO', value: ({ subject }: AuditRow) => subject },
        { title: 'DETAIL', value: ({ detail }: AuditRow) => JSON.stringify(detail) },
      ];
      return table(answer.audit, columns, io);
    });
    if (answer.next !== undefined && !work.flag('json')) io.err(`older ones: --cursor ${answer.next}\n`);
    return 0;
  },
};

function whyRefused({ issues: [first, ...others] }: ShownRevision): string | undefined {
  return others.length === 0 ? first?.text : `${first?.text ?? ''} (and ${others.length} more)`;
}
