import { stat } from 'node:fs/promises';
import { diffLines, planLines } from '../git/plan-text.ts';
import type { HostPlan } from '../git/ports.ts';
import { UsageError } from '../options.ts';
import { readDirectory } from '../source/directory.ts';
import { Refused } from './client.ts';
import { type Command, numberIn, type Options, type Work } from './command.ts';
import { paintDiffLine } from './paint.ts';
import { resolveRevision } from './revision.ts';
import { CommandError } from './settings.ts';
import { oneLine, safeLines } from './text.ts';

/** Beyond what the hosts are given: to send a tree, and to compile it. */
const RESERVE_MS = 90_000;
const MOST_SECONDS = 60;

interface PlanAnswer {
  readonly hosts: readonly HostPlan[];
}

const WAIT: Options = {
  wait: { value: 'SECONDS', help: `how long hosts may take to answer, at most ${MOST_SECONDS} (default: 3)` },
};

export const plan: Command = {
  name: 'plan',
  args: '[DIRECTORY|REV]',
  summary: 'what the working tree (default: desired-state), or a revision, would change on each host',
  about: 'Hosts are asked what they would do; nothing is changed. A tree takes the role deploy, a revision read.',
  options: { diff: { help: 'every change, with diffs' }, ...WAIT },
  status1: 'the tree has issues, which are printed',
  online: true,
  async run(work) {
    const [given] = work.args;
    const directory = given ?? 'desired-state';
    const stats = await stat(directory).catch(() => undefined);
    if (stats?.isDirectory() === true) return show(work, await ofTree(work, directory), work.flag('diff'));
    if (given === undefined)
      throw new UsageError('there is no directory desired-state here: give a directory or a revision');
    return show(work, await ofRevision(work, given), work.flag('diff'));
  },
};

export const diff: Command = {
  name: 'diff',
  args: 'REV',
  summary: 'what a revision would change on each host, with diffs',
  about: 'REV is a branch, a tag or a commit of the repository here, or a commit that the controller knows.',
  options: WAIT,
  status1: 'the revision has issues, which are printed',
  online: true,
  async run(work) {
    return show(work, await ofRevision(work, work.args[0] ?? ''), true);
  },
};

async function ofTree(work: Work, directory: string): Promise<PlanAnswer | Refused> {
  const seconds = secondsOf(work);
  const files: Record<string, object> = {};
  for (const [path, file] of await readDirectory(directory)) {
    if (file.type === 'refused') throw new CommandError(`${directory}/${path}: ${file.reason}`);
    files[path] = file.type === 'link' ? { link: file.target } : { content: file.content.toString('base64') };
  }
  const client = await work.client();
  const body = { files, bound_ms: seconds * 1000 };
  return refusedOr(client.ask<PlanAnswer>('POST /v1/plan/tree', { body, bound_ms: seconds * 1000 + RESERVE_MS }));
}

async function ofRevision(work: Work, given: string): Promise<PlanAnswer | Refused> {
  const seconds = secondsOf(work);
  const client = await work.client();
  const revision = await resolveRevision(given, client);
  const body = { revision, bound_ms: seconds * 1000 };
  const answer = await refusedOr(
    client.ask<PlanAnswer>('POST /v1/plan', { body, bound_ms: seconds * 1000 + RESERVE_MS }),
  );
  if (!(answer instanceof Refused) || answer.status !== 404) return answer;
  throw new CommandError(
    `the controller does not know the revision ${revision}; for what it would do: git push CONTROLLER ${given}:preview/NAME`,
  );
}

function secondsOf(work: Work): number {
  return numberIn(work, 'wait', 3, MOST_SECONDS);
}

async function refusedOr(answer: Promise<PlanAnswer>): Promise<PlanAnswer | Refused> {
  return answer.catch((error: unknown) => {
    if (error instanceof Refused) return error;
    throw error;
  });
}

function show(work: Work, answer: PlanAnswer | Refused, withDiffs: boolean): number {
  const { paint } = work.io;
  if (answer instanceof Refused) {
    const { issues } = answer.problem;
    if (!Array.isArray(issues)) throw answer;
    const texts = issues.map((issue: unknown) =>
      typeof issue === 'object' && issue !== null && 'text' in issue ? oneLine(String(issue.text)) : '',
    );
    work.answer(answer.problem, () => texts.map((text) => `${text}\n`).join(''));
    return 1;
  }
  work.answer(answer, () => {
    const details = withDiffs ? diffLines(answer.hosts) : [];
    return [
      ...planLines(answer.hosts).map((line) => oneLine(line)),
      ...(details.length === 0 ? [] : ['']),
      ...details
        .flatMap((line) => safeLines(line))
        .map((line) => (line.startsWith(' ') ? paintDiffLine(line, paint) : paint('bold', line))),
    ]
      .map((line) => `${line}\n`)
      .join('');
  });
  return 0;
}
