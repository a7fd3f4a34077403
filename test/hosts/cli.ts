/** `npm run hosts -- COMMAND`: the local hosts, for people. Results go to stdout, progress to stderr. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { ensureImage } from './build-image.ts';
import { bringUp, defaultSet, type HostStatus, hostOf, statusOf, takeDown } from './compose.ts';
import { isSuite } from './image/suites.ts';

const USAGE = `Usage: npm run hosts -- COMMAND

  build [SUITE]      build the host image (bookworm unless told; bullseye, trixie)
  up                 start controller, db and web, blank
  down               remove them and what they hold
  status [--json]    tell their addresses and states
  exec HOST ARGV...  run a command on one of them

Environment: HOLDFAST_PROJECT names the set (holdfast), HOLDFAST_SUBNET is its network (192.168.33).
`;
const USAGE_ERROR = 2;

const started = performance.now();

function log(line: string): void {
  process.stderr.write(`[${((performance.now() - started) / 1000).toFixed(1).padStart(5)} s] ${line}\n`);
}

async function run(command: string | undefined, args: readonly string[]): Promise<number> {
  const set = defaultSet();
  switch (command ?? '') {
    case 'build': {
      const suite = args[0] ?? 'bookworm';
      if (!isSuite(suite)) return usageError(`unknown suite ${suite}`);
      process.stdout.write(`${await ensureImage(suite, log)}\n`);
      return 0;
    }
    case 'up': {
      const hosts = await bringUp(set, log);
      log('all hosts have booted');
      process.stdout.write(hosts.map((host) => `${host.name}\t${host.address}\n`).join(''));
      return 0;
    }
    case 'down':
      await takeDown(set, log);
      return 0;
    case 'status':
      return printStatus(await statusOf(set), args.includes('--json'));
    case 'exec': {
      const [name, ...argv] = args;
      if (name === undefined || argv.length === 0) return usageError('exec needs a host and a command');
      return execHere((await hostOf(set, name)).container, argv);
    }
    case '--help':
    case 'help':
      process.stdout.write(USAGE);
      return 0;
    default:
      return usageError(command === undefined ? 'a command is missing' : `unknown command ${command}`);
  }
}

function printStatus(hosts: readonly HostStatus[], json: boolean): number {
  if (json) process.stdout.write(`${JSON.stringify(hosts)}\n`);
  else process.stdout.write(hosts.map((host) => `${host.name}\t${host.address || '-'}\t${host.state}\n`).join(''));
  return hosts.every((host) => host.state === 'running') ? 0 : 1;
}

/** Runs a command on a host with this terminal as its own. */
async function execHere(container: string, argv: readonly string[]): Promise<number> {
  const terminal = process.stdin.isTTY && process.stdout.isTTY ? ['--tty'] : [];
  const child = spawn('docker', ['exec', '--interactive', ...terminal, container, ...argv], { stdio: 'inherit' });
  const [code] = await once(child, 'exit');
  return typeof code === 'number' ? code : 1;
}

function usageError(message: string): number {
  process.stderr.write(`${message}\n\n${USAGE}`);
  return USAGE_ERROR;
}

const [command, ...args] = process.argv.slice(2);
try {
  process.exitCode = await run(command, args);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
