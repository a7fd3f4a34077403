import { parseArgs } from 'node:util';
import { UsageError } from '../options.ts';
import type { Client } from './client.ts';
import type { Paint } from './paint.ts';

/** Where a command reads and writes. */
export interface Io {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Characters in a line of the terminal; absent where the output goes elsewhere. */
  readonly width: number | undefined;
  readonly paint: Paint;
  readonly env: NodeJS.ProcessEnv;
  readonly stdin: NodeJS.ReadableStream;
  readonly now_ms: () => number;
}

export interface Option {
  /** What stands for its value in the help; without it there is none. */
  readonly value?: string;
  readonly short?: string;
  readonly help: string;
}

export type Options = Readonly<Record<string, Option>>;

/** One call of a command. */
export interface Work {
  readonly args: readonly string[];
  readonly io: Io;
  flag(option: string): boolean;
  text(option: string): string | undefined;
  /** Opened when it is first needed. */
  client(): Promise<Client>;
  /** As JSON where that was asked for, else as `show` makes it. */
  answer(value: unknown, show: () => string): void;
}

export interface Command {
  /** `hosts`, `rollout status`. */
  readonly name: string;
  /** `HOST`, `[HOST]`: what follows the name; in brackets what may be left out. */
  readonly args?: string;
  readonly summary: string;
  /** More of it, for its help. */
  readonly about?: string;
  readonly options?: Options;
  /** What exit status 1 says beyond that something failed. */
  readonly status1?: string;
  /** It talks to a controller. */
  readonly online: boolean;
  /** Resolves to the exit status. */
  run(work: Work): Promise<number>;
}

/** A command with help and options of its own: it gets its arguments as they are. */
export interface OwnCommand extends Pick<Command, 'name' | 'args' | 'summary'> {
  readonly own: (args: readonly string[], io: Io) => Promise<number>;
  /** What may follow its name. */
  readonly words: readonly string[];
}

export const ONLINE_OPTIONS: Options = {
  json: { help: 'what the controller has answered, as JSON' },
  controller: { value: 'URL', help: 'or HOLDFAST_CONTROLLER, or what "holdfast login" has kept' },
  'token-file': { value: 'FILE', help: 'or HOLDFAST_TOKEN_FILE' },
  'ca-file': { value: 'FILE', help: "the controller's authority, PEM; or HOLDFAST_CA_FILE" },
};
const HELP: Options = { help: { short: 'h', help: 'this text' } };

export function optionsOf({ options = {}, online }: Pick<Command, 'options' | 'online'>): Options {
  return { ...options, ...(online ? ONLINE_OPTIONS : {}), ...HELP };
}

/** What `--help` prints. */
export function helpOf(command: Command): string {
  const { name, args, summary, about, status1 } = command;
  const rows = Object.entries(optionsOf(command)).map(([option, { value, short, help }]) => {
    const text = `${short === undefined ? '' : `-${short}, `}--${option}${value === undefined ? '' : ` ${value}`}`;
    return [text, help] as const;
  });
  const width = Math.max(...rows.map(([text]) => text.length));
  const one = status1 === undefined ? 'it failed' : `it failed, or ${status1}`;
  return [
    `Usage: holdfast ${name}${args === undefined ? '' : ` ${args}`} [OPTION…]\n`,
    `${summary[0]?.toUpperCase() ?? ''}${summary.slice(1)}.${about === undefined ? '' : `\n${about}`}\n`,
    rows.map(([text, help]) => `  ${text.padEnd(width)}  ${help}\n`).join(''),
    `Exit status: 0 done, 1 ${one}, 2 wrong command line.\n`,
  ].join('\n');
}

export interface Parsed {
  readonly args: readonly string[];
  readonly values: Readonly<Record<string, string | boolean | undefined>>;
}

/** Throws `UsageError`. */
export function parseCommand(command: Command, given: readonly string[]): Parsed {
  const options = Object.entries(optionsOf(command)).map(([name, { value, short }]) => {
    const type = value === undefined ? ('boolean' as const) : ('string' as const);
    return [name, { type, ...(short === undefined ? {} : { short }) }] as const;
  });
  let values: Parsed['values'];
  let args: readonly string[];
  try {
    const parsed = parseArgs({ args: [...given], allowPositionals: true, options: Object.fromEntries(options) });
    values = parsed.values;
    args = parsed.positionals;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
  if (values['help'] !== true) checkCount(command, args);
  return { args, values };
}

function checkCount({ args: wanted = '' }: Command, args: readonly string[]): void {
  const words = wanted.split(' ').filter((word) => word !== '');
  const missing = words.find((word, index) => !word.startsWith('[') && args[index] === undefined);
  if (missing !== undefined) throw new UsageError(`expected ${missing}`);
  const surplus = args[words.length];
  if (surplus !== undefined) throw new UsageError(`"${surplus}" was not expected`);
}

/** A number that stands in an option. Throws `UsageError`. */
export function numberIn(work: Work, option: string, usual: number, most: number): number {
  const text = work.text(option);
  if (text === undefined) return usual;
  const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= 1 && number <= most) return number;
  throw new UsageError(`--${option} expects a number from 1 to ${most}`);
}
