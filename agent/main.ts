import packageJson from '../package.json' with { type: 'json' };
import { type Command, EXIT, UsageError } from './cli/command.ts';

/** The command line on the VM. Each subcommand is loaded only when it is called: a run on a small VM pays for nothing else. */

interface Entry {
  readonly name: string;
  readonly summary: string;
  load(): Promise<Command>;
}

const commands: readonly Entry[] = [
  {
    name: 'plan',
    summary: 'show what differs from the manifest; change nothing',
    load: async () => (await import('./cli/plan.ts')).plan,
  },
  {
    name: 'run',
    summary: 'make the host what the manifest says, once',
    load: async () => (await import('./cli/run.ts')).run,
  },
  {
    name: 'daemon',
    summary: 'keep the host what the manifest says (systemd starts it)',
    load: async () => (await import('./cli/daemon.ts')).daemon,
  },
  {
    name: 'enroll',
    summary: 'make this machine a host of a controller',
    load: async () => (await import('./cli/enroll.ts')).enroll,
  },
  {
    name: 'status',
    summary: 'show how this host is, as the daemon sees it',
    load: async () => (await import('./cli/status.ts')).status,
  },
  {
    name: 'pause',
    summary: 'stop repairs for a while',
    load: async () => (await import('./cli/pause.ts')).pause,
  },
  {
    name: 'resume',
    summary: 'end a pause',
    load: async () => (await import('./cli/resume.ts')).resume,
  },
];

async function main(argv: readonly string[]): Promise<number> {
  const [name, ...rest] = argv;
  if (name === '--version') {
    process.stdout.write(`holdfast-agent ${packageJson.version}\n`);
    return EXIT.ok;
  }
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    (name === undefined ? process.stderr : process.stdout).write(helpText());
    return name === undefined ? EXIT.usage : EXIT.ok;
  }
  const entry = commands.find((command) => command.name === name);
  if (entry === undefined) throw new UsageError(`there is no subcommand "${name}"`);
  const command = await entry.load();
  return command.main(rest);
}

function helpText(): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  return [
    'Usage: holdfast-agent COMMAND [OPTIONS]',
    '',
    'Keeps this host in the state that its manifest declares.',
    '',
    'Commands:',
    ...commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`),
    '',
    '"holdfast-agent COMMAND --help" says more. "holdfast-agent --version" prints the version.',
    '',
  ].join('\n');
}

function failureCode(error: unknown): number {
  if (error instanceof UsageError) {
    process.stderr.write(`holdfast-agent: ${error.message}\nTry "holdfast-agent --help".\n`);
    return EXIT.usage;
  }
  const known = error instanceof Error;
  process.stderr.write(`holdfast-agent: ${known ? error.message : String(error)}\n`);
  return known && error.name === 'Locked' ? EXIT.locked : EXIT.failed;
}

/** A pipe may take its time; what was printed must be out before the process ends. */
async function flushed(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.writableLength > 0) await new Promise<void>((resolve) => stream.write('', () => resolve()));
}

// `holdfast-agent plan | head` closes the pipe early: no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) =>
  process.exit(error.code === 'EPIPE' ? EXIT.ok : EXIT.failed),
);

const code = await main(process.argv.slice(2)).catch(failureCode);
await flushed(process.stdout);
await flushed(process.stderr);
// Not by itself: idle connections to local daemons would hold it for a while.
process.exit(code);
