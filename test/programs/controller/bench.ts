import { createHash } from 'node:crypto';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify';
import { buildApp } from '../../../controller/app.ts';
import { Bells } from '../../../controller/bells.ts';
import { type Fleet, openFleet } from '../../../controller/fleet.ts';
import { AllowedSigners } from '../../../controller/git/signatures.ts';
import { SignedSource } from '../../../controller/git/signed-source.ts';
import { Hosts } from '../../../controller/hosts.ts';
import { Intake, type Log } from '../../../controller/intake/intake.ts';
import { keepRefusals } from '../../../controller/intake/keep-refusals.ts';
import { SecretsFile } from '../../../controller/intake/secrets-file.ts';
import { NewsFirst } from '../../../controller/news-first.ts';
import { controllerIdentities } from '../../../controller/secrets/identity.ts';
import { SecretSources } from '../../../controller/secrets/sources.ts';
import { Repository } from '../../../controller/source/repository.ts';
import { openStore, type Store } from '../../../controller/store/database.ts';
import { HostRecords } from '../../../controller/store/host-records.ts';
import { openTrust, type Trust } from '../../../controller/trust/trust.ts';
import { Waiters } from '../../../controller/waiters.ts';
import type { Report } from '../../../desired-state/schema/report.ts';
import { scratch } from './git.ts';

/** A controller on a real repository and a real state directory, whose clock the test moves; it listens to nothing. */
export interface Bench {
  readonly app: FastifyInstance;
  readonly store: Store;
  readonly trust: Trust;
  readonly intake: Intake;
  readonly waiters: Waiters;
  readonly fleet: Fleet;
  readonly stateDirectory: string;
  readonly secretsFile: string;
  readonly clock: { now_ms: number };
  writeSecrets(text: string): Promise<void>;
  /** The header that stands for the certificate of a host. */
  peer(host: string): Promise<Readonly<Record<string, string>>>;
  /** A request of whoever may make it: the host of the path where it is a host's, else an administrator. */
  inject(asked: string | InjectOptions): Promise<LightMyRequestResponse>;
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
  options: {
    readonly stateDirectory?: string;
    readonly store?: Store;
    readonly open?: boolean;
    readonly allowedSigners?: string;
  } = {},
): Promise<Bench> {
  const stateDirectory = options.stateDirectory ?? join(await scratch(context), 'state');
  const secretsFile = join(await scratch(context), 'secrets.yaml');
  await writeSecrets(secretsFile, 'api_key: 0123456789abcdef\n');
  const clock = { now_ms: 1_800_000_000_000 };
  const copy = new Repository({ repository, branch: 'main', directory: 'desired-state', stateDirectory });
  await copy.open();
  const { allowedSigners } = options;
  const signers = allowedSigners === undefined ? undefined : new AllowedSigners(allowedSigners);
  const source = signers === undefined ? copy : new SignedSource(copy, join(stateDirectory, 'repository.git'), signers);
  const database = options.store ?? (await openStore({ path: ':memory:', log: quiet }));
  const records = new HostRecords(database, quiet);
  await records.open();
  const waiters = new Waiters();
  const bells = new Bells({ waiters, mostHeld: 1000 });
  const newsFirst = new NewsFirst(() => waiters.letsGo);
  const now_ms = () => clock.now_ms;
  const fleet = await openFleet({ store: database, records, waiters, now_ms, log: quiet });
  const hosts = new Hosts({ ...fleet, records, intake: () => intake, now_ms, silentAfter_ms: 900_000 });
  const intake: Intake = new Intake({
    source,
    directory: 'desired-state',
    rollouts: fleet.rollouts,
    serving: fleet.serving,
    secrets: new SecretSources(
      new SecretsFile(secretsFile),
      await controllerIdentities(stateDirectory, undefined),
      Buffer.alloc(32),
    ),
    facts: () => hosts.facts(),
    now_ms,
    tell: (names) => waiters.release(names),
    refused: keepRefusals({ db: database.db, now_ms, log: quiet }),
    log: quiet,
  });
  const shown = { repository, branch: 'main', directory: 'desired-state' };
  const trust = await openTrust({ store: database, stateDirectory, now_ms, log: quiet });
  const app = buildApp({
    services: { ...fleet, intake, hosts, waiters, bells, newsFirst, trust, store: database, now_ms, source: shown },
    peerOf: ({ headers: { [PEER]: fingerprint } }) => (typeof fingerprint === 'string' ? { fingerprint } : undefined),
  });
  const { text: admin } = await trust.tokens.create({ name: 'ann', role: 'admin', createdBy: 'test' });
  const inject = async (asked: string | InjectOptions): Promise<LightMyRequestResponse> => {
    const wanted: InjectOptions = typeof asked === 'string' ? { url: asked } : asked;
    const host = /^\/v1\/hosts\/([^/]+)\/./.exec(typeof wanted.url === 'string' ? wanted.url : '')?.[1];
    const own = host === undefined ? { authorization: `Bearer ${admin}` } : { [PEER]: await certified(database, host) };
    return app.inject({ ...wanted, headers: { ...own, ...wanted.headers } });
  };
  context.after(async () => {
    waiters.close();
    await app.close();
    await intake.idle();
    await fleet.close();
    await records.close();
    await database.close();
  });
  return {
    app,
    store: database,
    trust,
    inject,
    peer: async (host) => ({ [PEER]: await certified(database, host) }),
    intake,
    waiters,
    fleet,
    stateDirectory,
    secretsFile,
    clock,
    writeSecrets: (text) => writeSecrets(secretsFile, text),
    async manifest(host, headers = {}) {
      const answer = await inject({ url: `/v1/hosts/${host}/manifest`, headers });
      const { etag, 'holdfast-revision': revision } = answer.headers;
      return { status: answer.statusCode, etag: String(etag), revision: String(revision), body: answer.body };
    },
  };
}

/** In the place of TLS: the fingerprint of the certificate that the connection would have shown. */
const PEER = 'test-peer';

/** Resolves to the fingerprint of a certificate of the host. */
async function certified({ db }: Store, host: string): Promise<string> {
  const fingerprint = createHash('sha256').update(host).digest('hex');
  const row = { fingerprint, host, serial: '01', issued_ms: 0, expires_ms: Number.MAX_SAFE_INTEGER };
  const good = { revoked_ms: null, revoked_by: null, why: null, machine: null };
  await db
    .insertInto('certificates')
    .values({ ...row, ...good })
    .onConflict((conflict) => conflict.column('fingerprint').doNothing())
    .execute();
  return fingerprint;
}

async function writeSecrets(file: string, text: string): Promise<void> {
  await writeFile(file, text);
  await chmod(file, 0o600);
}

const quiet: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };

let reports = 0;

export function reportOf(host: string, more: Partial<Report> = {}): Report {
  reports += 1;
  return { host, agentVersion: '0.1.0', sentAt_ms: reports, mode: 'enforce', past: [], pastDropped: 0, ...more };
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
