/** The Python packages that hosts install without a network: wheels for the suite's own Python. */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../engine.ts';
import { mustRun } from '../process.ts';
import { CACHE_FOLDER } from './cache-folder.ts';
import { SUITES, type Suite } from './suites.ts';

const MACHINE: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64' };
const OLDEST_GLIBC_MINOR = 17;
const DOWNLOAD_TIMEOUT_MS = 600_000;

/** Downloads the wheels of every requirements file. Resolves to the folder that holds them. */
export async function ensureWheels(options: {
  suite: Suite;
  requirements: readonly string[];
  log: Log;
}): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(SUITES[options.suite]));
  for (const file of options.requirements) hash.update(await readFile(file));
  const name = `wheels-${options.suite}-${hash.digest('hex').slice(0, 12)}`;
  const folder = join(CACHE_FOLDER, name);
  const siblings = await readdir(CACHE_FOLDER);
  if (siblings.includes(name)) return folder;
  options.log('downloading wheels');
  const unfinished = `${folder}.part`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished);
  for (const file of options.requirements) {
    await mustRun(
      [
        ['/usr/bin/python3', '-m', 'pip', 'download', '--quiet', '--disable-pip-version-check'],
        ['--only-binary=:all:', '--implementation', 'cp', '--python-version', SUITES[options.suite].python],
        platforms(options.suite),
        ['--dest', unfinished, '--requirement', file],
      ].flat(),
      { timeout_ms: DOWNLOAD_TIMEOUT_MS },
    );
  }
  await rename(unfinished, folder);
  for (const sibling of siblings.filter((entry) => entry.startsWith(`wheels-${options.suite}-`))) {
    await rm(join(CACHE_FOLDER, sibling), { recursive: true });
  }
  return folder;
}

/** pip takes a wheel only for a platform that is named: every manylinux that the suite's C library can run. */
function platforms(suite: Suite): readonly string[] {
  const machine = MACHINE[process.arch];
  if (machine === undefined) throw new Error(`no wheels are published for ${process.arch}`);
  const names = [`manylinux2014_${machine}`];
  for (let minor = OLDEST_GLIBC_MINOR; minor <= SUITES[suite].glibc_minor; minor++) {
    names.push(`manylinux_2_${minor}_${machine}`);
  }
  return names.flatMap((name) => ['--platform', name]);
}
