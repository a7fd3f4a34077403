import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import type { Intake, Log, Source } from '../intake/intake.ts';
import type { Rollout } from '../rollout/model.ts';
import type { Rollouts } from '../rollout/rollouts.ts';
import { Repository, shown } from '../source/repository.ts';
import type { Store } from '../store/database.ts';
import type { Trust } from '../trust/trust.ts';
import { watchBranch } from '../watch.ts';
import type { CommitStatus } from './commit-status.ts';
import type { ForgeOptions } from './forge.ts';
import { Hosting } from './hosting.ts';
import type { Planner, Refused } from './ports.ts';
import { readSecretFile } from './secret-file.ts';
import { SharedRefs } from './shared-refs.ts';
import { AllowedSigners } from './signatures.ts';
import { SignedSource } from './signed-source.ts';
import { StatusReporter } from './status-reporter.ts';
import { webhookRoute } from './webhooks.ts';

export interface DesiredStateOptions {
  readonly repository: string | undefined;
  readonly branch: string;
  readonly directory: string;
  readonly stateDirectory: string;
  readonly allowedSigners: string | undefined;
  readonly webhookSecretFile: string | undefined;
  readonly forge: ForgeOptions | undefined;
  readonly poll_ms: number;
}

/** What it works with when all of the controller is there. */
export interface DesiredStateParts {
  readonly intake: Intake;
  readonly rollouts: Rollouts;
  readonly planner: Planner;
  readonly trust: Pick<Trust, 'audit'>;
  readonly refused: Refused;
}

/** Where revisions come from, and what makes the controller look: pushes to it, webhooks, the clock. */
export interface DesiredState {
  readonly source: Source;
  /** For people. */
  readonly shown: string;
  register(app: FastifyInstance, trust: Pick<Trust, 'failures'>): void;
  /** A rollout has come to another state. */
  tell(rollout: Rollout): void;
  start(parts: DesiredStateParts): Promise<void>;
  close(): Promise<void>;
}

interface Surroundings {
  readonly store: Store;
  readonly now_ms: () => number;
  readonly log: Log;
}

/** Opens the repository that is followed, or the one that is hosted here; looks at nothing yet. */
export function openDesiredState(options: DesiredStateOptions, surroundings: Surroundings): Promise<DesiredState> {
  const { repository } = options;
  return repository === undefined
    ? openHosted(options, surroundings)
    : openFollowed({ ...options, repository }, surroundings);
}

async function openHosted(options: DesiredStateOptions, { store, now_ms, log }: Surroundings): Promise<DesiredState> {
  const hosting = new Hosting({ ...options, now_ms, log });
  await hosting.open();
  const { repository } = hosting;
  const sharing = store.shared ? new SharedRefs({ db: store.db, bus: store.bus, repository, now_ms, log }) : undefined;
  let stopPolling = (): void => {};
  return {
    source: hosting,
    shown: repository.path,
    register: (app) => hosting.register(app),
    tell: () => {},
    async start({ intake, rollouts, planner, trust, refused }) {
      await sharing?.open();
      await hosting.start({
        compiler: intake,
        planner,
        rollouts: {
          begin: (candidate, compilation) => intake.bring(candidate, compilation),
          follow: (revision, signal) => rollouts.follow(revision, signal),
        },
        audit: trust.audit,
        refused,
        sharing,
      });
      stopPolling = poll(intake, options.poll_ms);
    },
    async close() {
      stopPolling();
      await hosting.close();
      await sharing?.close();
    },
  };
}

async function openFollowed(
  options: DesiredStateOptions & { readonly repository: string },
  { log }: Surroundings,
): Promise<DesiredState> {
  const { repository, branch, stateDirectory, allowedSigners, webhookSecretFile, forge } = options;
  const copy = new Repository(options);
  await copy.open();
  const source =
    allowedSigners === undefined
      ? copy
      : new SignedSource(copy, join(stateDirectory, 'repository.git'), new AllowedSigners(allowedSigners));
  const secret = webhookSecretFile === undefined ? undefined : await readSecretFile(webhookSecretFile);
  const reporter = forge && new StatusReporter({ project: forge, token: await readSecretFile(forge.tokenFile), log });
  let look = (): void => {};
  const closers: (() => void)[] = [];
  return {
    source,
    shown: shown(repository),
    register(app, { failures }) {
      if (secret === undefined) return;
      webhookRoute(app, { secret, look: () => look(), failed: (address) => failures.count(address) });
    },
    tell(rollout) {
      const status = rollout.cause === 'push' ? statusOf(rollout) : undefined;
      if (status !== undefined) reporter?.tell(status);
    },
    async start({ intake }) {
      look = (): void => {
        void intake.refresh().then(() => {
          const refused = refusalOf(intake);
          if (refused !== undefined) reporter?.tell(refused);
        });
      };
      look();
      const timer = setInterval(look, options.poll_ms);
      closers.push(() => clearInterval(timer), watchBranch(repository, branch, look));
    },
    async close() {
      for (const closer of closers.splice(0)) closer();
      await reporter?.close();
    },
  };
}

/** A refresh never rejects: what goes wrong is in the status and in the log. */
function poll(intake: Intake, interval_ms: number): () => void {
  void intake.refresh();
  const timer = setInterval(() => void intake.refresh(), interval_ms);
  return () => clearInterval(timer);
}

function refusalOf({ wanted }: Intake): CommitStatus | undefined {
  const [first] = wanted?.issues ?? [];
  if (wanted === undefined || first === undefined) return undefined;
  const more = wanted.issues.length > 1 ? ` (and ${wanted.issues.length - 1} more)` : '';
  const description = `${first.file}:${first.line}:${first.column} ${first.message}${more}`;
  return { revision: wanted.revision, state: 'failure', description };
}

function statusOf({ revision, state, why }: Rollout): CommitStatus | undefined {
  switch (state) {
    case 'running':
      return { revision, state: 'pending', description: 'on its way to the hosts' };
    case 'frozen':
      return { revision, state: 'pending', description: why ?? 'frozen' };
    case 'done':
      return { revision, state: 'success', description: why ?? 'all hosts have converged' };
    case 'paused':
      return { revision, state: 'failure', description: why ?? 'paused' };
    case 'aborted':
      return { revision, state: 'failure', description: why ?? 'aborted' };
    case 'superseded':
      return undefined;
  }
}
