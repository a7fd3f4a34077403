/** The set of hosts in docker-compose.test.yml: brought up, found and removed as a whole. */
import { join } from 'node:path';
import { ensureImage } from './build-image.ts';
import { awaitBoot } from './container.ts';
import { docker } from './docker.ts';
import { ensureEngine, ensureProgram, type Log } from './engine.ts';
import { Host } from './host.ts';
import { mustRun, runProcess } from './process.ts';

const COMPOSE_FILE = join(import.meta.dirname, '../../docker-compose.test.yml');
const COMPOSE_TIMEOUT_MS = 300_000;

/** The services that are hosts; the capture is not. */
export const HOST_NAMES = ['controller', 'db', 'web'] as const;

export interface HostSet {
  /** Compose project; sets of different projects are apart from each other. */
  readonly project: string;
  /** First three octets of its network. */
  readonly subnet: string;
  /** The services to start; all unless told. */
  readonly services?: readonly string[];
  /** Compose files on top of this one, and what their variables stand for. */
  readonly overrides?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** The set that people use, as their environment names it. */
export function defaultSet(): HostSet {
  return {
    project: process.env['HOLDFAST_PROJECT'] ?? 'holdfast',
    subnet: process.env['HOLDFAST_SUBNET'] ?? '192.168.33',
  };
}

/** Brings the set up and waits until every host has booted. Hosts that exist already stay as they are. */
export async function bringUp(set: HostSet, log: Log): Promise<readonly Host[]> {
  await ensureEngine(log);
  const image = await ensureImage('bookworm', log);
  log('starting controller, db and web');
  await compose(set, ['up', '--detach', '--no-recreate', ...(set.services ?? [])], { image, log });
  const hosts = await Promise.all(HOST_NAMES.map((name) => hostOf(set, name)));
  await Promise.all(hosts.map((host) => awaitBoot(host.container)));
  return hosts;
}

/** Removes the set's hosts, network and volumes. */
export async function takeDown(set: HostSet, log: Log): Promise<void> {
  log('removing controller, db and web');
  await compose(set, ['down', '--volumes', '--remove-orphans', '--timeout', '5'], { log });
}

/** A host of the set; rejects where it does not run. */
export async function hostOf(set: HostSet, name: string): Promise<Host> {
  const labels = [`project=${set.project}`, `service=${name}`];
  const filters = labels.flatMap((label) => ['--filter', `label=com.docker.compose.${label}`]);
  const container = await docker(['ps', '--quiet', '--no-trunc', ...filters]);
  if (container === '') throw new Error(`${set.project} has no running host ${name}: run npm run hosts -- up`);
  const format = '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}';
  return new Host({ name, container, address: await docker(['inspect', '--format', format, container]) });
}

export interface HostStatus {
  readonly name: string;
  readonly address: string;
  /** What systemd says of it, or `absent` where it does not run. */
  readonly state: string;
}

export function statusOf(set: HostSet): Promise<readonly HostStatus[]> {
  return Promise.all(
    HOST_NAMES.map(async (name) => {
      const host = await hostOf(set, name).catch(() => undefined);
      if (host === undefined) return { name, address: '', state: 'absent' };
      const result = await host.exec(['systemctl', 'is-system-running']);
      return { name, address: host.address, state: result.stdout.trim() || result.stderr.trim() };
    }),
  );
}

async function compose(set: HostSet, args: readonly string[], options: { image?: string; log: Log }): Promise<void> {
  const files = [COMPOSE_FILE, ...(set.overrides ?? [])].flatMap((file) => ['-f', file]);
  await mustRun([...(await composeCommand(options.log)), '-p', set.project, ...files, ...args], {
    timeout_ms: COMPOSE_TIMEOUT_MS,
    env: {
      ...set.env,
      HOLDFAST_SUBNET: set.subnet,
      ...(options.image === undefined ? {} : { HOLDFAST_HOST_IMAGE: options.image }),
    },
  });
}

/** Compose v2 where the engine has it, or Debian's docker-compose. */
async function composeCommand(log: Log): Promise<readonly string[]> {
  if ((await runProcess(['docker', 'compose', 'version'])).code === 0) return ['docker', 'compose'];
  await ensureProgram({ program: 'docker-compose', packages: ['docker-compose'], log });
  return ['docker-compose'];
}
