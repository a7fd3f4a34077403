import { type ParseArgsOptionDescriptor, parseArgs } from 'node:util';

/** Exit codes that all subcommands share; the rest stands in each command's help. `sysexits.h` names the large ones. */
export const EXIT = { ok: 0, failed: 1, pending: 2, usage: 64, locked: 75 } as const;

export interface CommandOption extends ParseArgsOptionDescriptor {
  readonly help: string;
  /** What the help calls the value of a `string` option, such as `FILE`. */
  readonly value?: string;
}

export type CommandOptions = Readonly<Record<string, CommandOption>>;

type ValuesOf<O extends CommandOptions> = ReturnType<typeof parseArgs<{ options: O }>>['values'];

interface CommandParts<O extends CommandOptions> {
  readonly name: string;
  readonly summary: string;
  readonly options: O;
  /** Meaning by exit code, for the help. */
  readonly exitCodes: Readonly<Record<number, string>>;
  /** Ends with an exit code. Errors that it throws are printed by the caller. */
  run(values: ValuesOf<O>): Promise<number>;
}

/** A subcommand of `holdfast-agent`. */
export interface Command {
  main(argv: readonly string[]): Promise<number>;
}

/** The user called it wrongly; the message says what was expected. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export function defineCommand<O extends CommandOptions>(parts: CommandParts<O>): Command {
  return {
    async main(argv) {
      if (argv.includes('--help') || argv.includes('-h')) {
        process.stdout.write(helpText(parts));
        return EXIT.ok;
      }
      return parts.run(parse(argv, parts.options));
    },
  };
}

function parse<O extends CommandOptions>(argv: readonly string[], options: O): ValuesOf<O> {
  try {
    return parseArgs({ args: [...argv], options, strict: true, allowPositionals: false }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function helpText({ name, summary, options, exitCodes }: CommandParts<CommandOptions>): string {
  const rows = Object.entries(options).map(([long, option]) => {
    const value = option.type === 'string' ? ` ${option.value ?? 'TEXT'}` : '';
    return [`--${long}${value}`, option.help] as const;
  });
  const width = Math.max(...rows.map(([left]) => left.length), 6);
  const lines = [...rows, ['--help', 'print this text'] as const].map(
    ([left, right]) => `  ${left.padEnd(width)}  ${right}`,
  );
  const codes = Object.entries(exitCodes).map(([code, meaning]) => `  ${code.padStart(2)}  ${meaning}`);
  return [
    `Usage: holdfast-agent ${name} [OPTIONS]`,
    '',
    summary,
    '',
    'Options:',
    ...lines,
    '',
    'Exit codes:',
    ...codes,
    '',
  ].join('\n');
}
