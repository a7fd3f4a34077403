/** The container engine's command line. */
import { mustRun, type ProcessOptions, type ProcessResult, runProcess } from './process.ts';

/** Runs `docker …`; rejects with its message where it fails. Resolves to stdout without surrounding space. */
export async function docker(args: readonly string[], options: ProcessOptions = {}): Promise<string> {
  return (await mustRun(['docker', ...args], options)).trim();
}

/** Runs `docker …` and resolves to its result, whatever its exit status. */
export function tryDocker(args: readonly string[], options: ProcessOptions = {}): Promise<ProcessResult> {
  return runProcess(['docker', ...args], options);
}

export async function imageExists(tag: string): Promise<boolean> {
  return (await tryDocker(['image', 'inspect', '--format', '{{.Id}}', tag])).code === 0;
}

/** Removes the images whose name matches `reference`, but for those in `keep`; one in use stays. */
export async function removeImages(reference: string, keep: readonly string[]): Promise<void> {
  const tags = await docker([
    'image',
    'ls',
    '--filter',
    `reference=${reference}`,
    '--format',
    '{{.Repository}}:{{.Tag}}',
  ]);
  for (const tag of tags.split('\n').filter((name) => name !== '' && !keep.includes(name))) {
    await tryDocker(['image', 'rm', tag]);
  }
}
