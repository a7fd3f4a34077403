import type { CommandRunner } from '../commands/port.ts';
import { FileProblem } from './problem.ts';

/** `renameat2` by architecture, from the kernel's `unistd` tables. */
const SYSCALL: Readonly<Record<string, string>> = { x64: '316', arm64: '276' };
/** `renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE)`. */
const SCRIPT = 'exit 0 if syscall(0 + $ARGV[0], -100, $ARGV[1], -100, $ARGV[2], 2) == 0; print STDERR "$!"; exit 1';

/** Node has no binding for `renameat2`; perl-base is essential on Debian, so every host has it. */
export async function exchangePaths(run: CommandRunner, a: string, b: string): Promise<void> {
  const number = SYSCALL[process.arch];
  if (number === undefined) throw new Error(`cannot swap two paths in one step on the architecture ${process.arch}`);
  const { code, stderr } = await run({ argv: ['/usr/bin/perl', '-e', SCRIPT, '--', number, a, b], okCodes: [0, 1] });
  if (code !== 0) throw new FileProblem('EEXCHANGE', a, `cannot swap ${a} and ${b}: ${stderr}${advice(stderr, a)}`);
}

/** Both lie in one directory: of one device, and yet on two layers. */
function advice(stderr: string, path: string): string {
  if (!stderr.includes('cross-device')) return '';
  return `; on an overlay file system, as of a container, a directory of the image cannot be renamed: make it anew once (cp -a ${path} ${path}.own; rm -r ${path}; mv ${path}.own ${path})`;
}
