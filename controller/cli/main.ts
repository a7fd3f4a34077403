import { UsageError } from '../options.ts';

const HELP = `Usage: holdfast COMMAND

  validate [DIRECTORY]   check the desired state and print every issue
  secret COMMAND         secrets in git: set, get, edit, generate, list, rekey, recipients, keygen

holdfast COMMAND --help says more.
`;

async function main([command, ...args]: readonly string[]): Promise<number> {
  const output = {
    out: (text: string) => void process.stdout.write(text),
    err: (text: string) => void process.stderr.write(text),
  };
  // Each command loads what it needs and no more.
  if (command === 'validate') return (await import('./validate.ts')).validate(args, output);
  if (command === 'secret') return (await import('./secret.ts')).secret(args, output);
  if (command === '--help' || command === '-h' || command === 'help') {
    output.out(HELP);
    return 0;
  }
  throw new UsageError(command === undefined ? 'which command?' : `there is no command "${command}"`);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`holdfast: ${error instanceof Error ? error.message : String(error)}\nTry --help.\n`);
  process.exitCode = 2;
}
