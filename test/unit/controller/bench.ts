import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { FastifyInstance } from 'fastify';
import { buildApp } from '../../../controller/app.ts';
import { Hosts } from '../../../controller/hosts.ts';
import { Intake, type Log } from '../../../controller/intake/intake.ts';
import { SecretsFile } from '../../../controller/intake/secrets-file.ts';
import { controllerIdentities } from '../../../controller/secrets/identity.ts';
import { SecretSources } from '../../../controller/secrets/sources.ts';
import { Repository } from '../../../controller/source/repository.ts';
import { HostStore } from '../../../controller/store/host-store.ts';
import { ServedStore } from '../../../controller/store/served-store.ts';
import { Waiters } from '../../../controller/waiters.ts';
import type { Report } from '../../../desired-state/schema/report.ts';
import { scratch } from './git.ts';

/** A controller on a real repository and a real state directory, whose clock the test moves; it listens to nothing. */
export interface Bench {
  readonly app: FastifyInstance;
  readonly intake: Intake;
  readonly waiters: Waiters;
  readonly stateDirectory: string;
  readonly secretsFile: string;
  readonly clock: { now_ms: number };
  writeSecrets(text: string): Promise<void>;
  manifest(host: string, headers?: Readonly<Record<string, string>>): Promise<Answer>;
}

interface Answer {
  readonly status: number;
  readonly etag: string;
  readonly revision: string;
  readonly body: string;
}

export async function startBench(
  context: TestContext,
  repository: string,
  options: { readonly stateDirectory?: string; readonly token?: string; readonly open?: boolean } = {},
): Promise<Bench> {
  const stateDirectory = options.stateDirectory ?? join(await scratch(context), 'state');
  const secretsFile = join(await scratch(context), 'secrets.yaml');
  await writeSecrets(secretsFile, 'api_key: 0123456789abcdef\n');
  const clock = { now_ms: 1_800_000_000_000 };
  const source = new Repository({ repository, branch: 'main', directory: 'desired-state', stateDirectory });
  await source.open();
  const store = new HostStore(stateDirectory);
  await store.load();
  const waiters = new Waiters();
  const now_ms = () => clock.now_ms;
  const hosts = new Hosts({ store, intake: () => intake, now_ms, silentAfter_ms: 900_000 });
  const intake: Intake = new Intake({
    source,
    directory: 'desired-state',
    store: new ServedStore(stateDirectory),
    secrets: new SecretSources(new SecretsFile(secretsFile), await controllerIdentities(stateDirectory, undefined)),
    facts: () => hosts.facts(),
    now_ms,
    changed: (names) => waiters.release(names),
    log: quiet,
  });
  await intake.open();
  const shown = { repository, branch: 'main', directory: 'desired-state' };
  const app = buildApp({ services: { intake, hosts, waiters, source: shown }, token: options.token });
  context.after(async () => {
    waiters.close();
    await app.close();
    await intake.idle();
  });
  return {
    app,
    intake,
    waiters,
    stateDirectory,
    secretsFile,
    clock,
    writeSecrets: (text) => writeSecrets(secretsFile, text),
    async manifest(host, headers = {}) {
      const answer = await app.inject({ url: `/v1/hosts/${host}/manifest`, headers });
      const { etag, 'holdfast-revision': revision } = answer.headers;
      return { status: answer.statusCode, etag: String(etag), revision: String(revision), body: answer.body };
    },
  };
}

async function writeSecrets(file: string, text: string): Promise<void> {
  await writeFile(file, text);
  await chmod(file, 0o600);
}

const quiet: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };

export function reportOf(host: string, more: Partial<Report> = {}): Report {
  return { host, agentVersion: '0.1.0', sentAt_ms: 1, mode: 'enforce', past: [], pastDropped: 0, ...more };
}

/** Resolves once the condition holds; rejects after a bound. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, bound_ms = 10_000): Promise<void> {
  const end = performance.now() + bound_ms;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`not within ${bound_ms} ms: ${what}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 10);
    });
  }
}
