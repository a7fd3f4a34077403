import { distance } from 'fastest-levenshtein';
import { UsageError } from '../options.ts';
import { Client } from './client.ts';
import { type Command, helpOf, type Io, type OwnCommand, parseCommand, type Work } from './command.ts';
import { COMMANDS, GROUPS } from './commands.ts';

/** Resolves to the exit status; what went wrong is told. */
export async function dispatch(args: readonly string[], io: Io): Promise<number> {
  try {
    return await choose(args, io);
  } catch (error) {
    const isUsage = error instanceof UsageError;
    const message = error instanceof Error ? error.message : String(error);
    io.err(`holdfast: ${message}\n${isUsage ? 'Try --help.\n' : ''}`);
    return isUsage ? 2 : 1;
  }
}

async function choose(args: readonly string[], io: Io): Promise<number> {
  const [first, second] = args;
  if (first === undefined) throw new UsageError('which command?');
  if (first === '--help' || first === '-h' || first === 'help') {
    io.out(overview());
    return 0;
  }
  const command = find([first, second].join(' ')) ?? find(first);
  if (command === undefined) return group(first, second, io);
  const rest = args.slice(command.name.split(' ').length);
  return 'own' in command ? command.own(rest, io) : start(command, rest, io);
}

function find(name: string): Command | OwnCommand | undefined {
  return COMMANDS.find((command) => command.name === name);
}

/** `rollout`, `rollout --help`, `rollout nonsense`, `nonsense`. */
function group(first: string, second: string | undefined, io: Io): number {
  const within = COMMANDS.filter(({ name }) => name.startsWith(`${first} `));
  if (within.length > 0 && (second === '--help' || second === '-h')) {
    io.out(`Usage: holdfast ${first} COMMAND\n\n${rows(within)}\nholdfast ${first} COMMAND --help says more.\n`);
    return 0;
  }
  const known = within.map(({ name }) => name);
  if (within.length > 0 && second === undefined) throw new UsageError(`which command of ${first}? ${known.join(', ')}`);
  const given = within.length > 0 ? `${first} ${second}` : first;
  const candidates = within.length > 0 ? known : COMMANDS.map(({ name }) => name.split(' ')[0] ?? name);
  const [near] = candidates
    .map((name) => ({ name, far: distance(name, given) }))
    .filter(({ far }) => far <= 2)
    .sort((a, b) => a.far - b.far);
  throw new UsageError(`there is no command "${given}"${near === undefined ? '' : `, did you mean "${near.name}"?`}`);
}

async function start(command: Command, given: readonly string[], io: Io): Promise<number> {
  const { args, values } = parseCommand(command, given);
  if (values['help'] === true) {
    io.out(helpOf(command));
    return 0;
  }
  const text = (option: string): string | undefined => {
    const value = values[option];
    return typeof value === 'string' ? value : undefined;
  };
  let opened: Promise<Client> | undefined;
  const work: Work = {
    args,
    io,
    text,
    flag: (option) => values[option] === true,
    client() {
      const where = { controller: text('controller'), tokenFile: text('token-file'), caFile: text('ca-file') };
      opened ??= Client.open(where, io.env);
      return opened;
    },
    answer(value, show) {
      io.out(values['json'] === true ? `${JSON.stringify(value, null, 2)}\n` : show());
    },
  };
  try {
    return await command.run(work);
  } finally {
    (await opened?.catch(() => undefined))?.close();
  }
}

/** What `holdfast --help` prints. */
export function overview(): string {
  const parts = GROUPS.map(([title, commands]) => `${title}\n${rows(commands)}`);
  return `Usage: holdfast COMMAND [OPTION…]\n\n${parts.join('\n')}\nholdfast COMMAND --help says more.\n`;
}

const NAME_WIDTH = Math.max(...COMMANDS.map((command) => callOf(command).length));

function rows(commands: readonly (Command | OwnCommand)[]): string {
  return commands.map((command) => `  ${callOf(command).padEnd(NAME_WIDTH)}  ${command.summary}\n`).join('');
}

/** `rollout status [ID]` */
function callOf({ name, args }: Command | OwnCommand): string {
  return args === undefined ? name : `${name} ${args}`;
}
