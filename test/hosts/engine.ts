/** The container engine and the few programs that hosts need: installed and started where they are missing. */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { mustRun, runProcess } from './process.ts';

export type Log = (line: string) => void;

const ENGINE_LOG = '/var/log/holdfast-dockerd.log';
const ENGINE_START_TIMEOUT_MS = 60_000;
const INSTALL_TIMEOUT_MS = 900_000;

/** Makes sure that a container engine answers. Installs `docker.io` and starts `dockerd` where that is needed. */
export async function ensureEngine(log: Log): Promise<void> {
  if (await engineAnswers()) return;
  if (runsElsewhere()) throw new Error(`the container engine at ${process.env['DOCKER_HOST']} does not answer`);
  mustBeRoot('start the container engine');
  await ensureProgram({ program: 'dockerd', packages: ['docker.io'], log });
  log('starting the container engine');
  if (existsSync('/run/systemd/system')) await mustRun(['systemctl', 'start', 'docker']);
  else startEngineByHand();
  const deadline = Date.now() + ENGINE_START_TIMEOUT_MS;
  while (!(await engineAnswers())) {
    if (Date.now() > deadline) {
      const logged = await readFile(ENGINE_LOG, 'utf8').catch(() => '(see journalctl --unit docker)');
      throw new Error(`dockerd did not answer within ${ENGINE_START_TIMEOUT_MS} ms\n${logged.slice(-3000)}`);
    }
    await delay(100);
  }
}

async function engineAnswers(): Promise<boolean> {
  const result = await runProcess(['docker', 'version', '--format', '{{.Server.Version}}']).catch(() => undefined);
  return result?.code === 0;
}

function runsElsewhere(): boolean {
  return process.env['DOCKER_HOST'] !== undefined && !process.env['DOCKER_HOST'].startsWith('unix:');
}

function startEngineByHand(): void {
  const logFile = openSync(ENGINE_LOG, 'a');
  const child = spawn('dockerd', [], { detached: true, stdio: ['ignore', logFile, logFile] });
  // A dockerd that cannot start shows as one that does not answer; its log is then printed.
  child.on('error', () => {});
  child.unref();
  closeSync(logFile);
}

/** Makes sure that a program is on the PATH, installing Debian packages where it is not. */
export async function ensureProgram(options: {
  program: string;
  packages: readonly string[];
  log: Log;
}): Promise<void> {
  if (isOnPath(options.program)) return;
  mustBeRoot(`install ${options.packages.join(' ')}`);
  options.log(`installing ${options.packages.join(' ')}`);
  const apt = ['apt-get', '-q', '-y', '-o', 'DPkg::Lock::Timeout=300'];
  const env = { DEBIAN_FRONTEND: 'noninteractive', NEEDRESTART_MODE: 'l' };
  await mustRun([...apt, 'update'], { env, timeout_ms: INSTALL_TIMEOUT_MS });
  await mustRun([...apt, '--no-install-recommends', 'install', ...options.packages], {
    env,
    timeout_ms: INSTALL_TIMEOUT_MS,
  });
}

function isOnPath(program: string): boolean {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin'];
  return folders.some((folder) => folder !== '' && existsSync(`${folder}/${program}`));
}

function mustBeRoot(purpose: string): void {
  if (process.getuid?.() !== 0) throw new Error(`root is needed to ${purpose}: run this as root`);
}
