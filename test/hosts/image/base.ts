/** The lower half of a host image: Debian itself and its filled package cache, as a tarball and as an imported image. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { docker, imageExists, removeImages } from '../docker.ts';
import type { Log } from '../engine.ts';
import { mustRun } from '../process.ts';
import { CACHE_FOLDER } from './cache-folder.ts';
import { INSTALLED, SUITES, type Suite, sourcesOf } from './suites.ts';

const HERE = import.meta.dirname;
const BUILD_TIMEOUT_MS = 1_800_000;

/** What `docker run` and `docker commit` must know of an image; import and commit both forget it. */
export const IMAGE_CHANGES: readonly string[] = [
  ['--change', 'ENTRYPOINT ["/sbin/holdfast-host-init"]'],
  ['--change', 'CMD ["/sbin/init"]'],
  ['--change', 'ENV container=docker'],
].flat();

/** Hash of everything that goes into the base image but the state of Debian's archive on the day of the build. */
export function baseHash(suite: Suite): string {
  const hash = createHash('sha256');
  hash.update(JSON.stringify([suite, process.arch, INSTALLED, SUITES[suite], sourcesOf(suite), IMAGE_CHANGES]));
  for (const file of ['init', 'customize.sh']) hash.update(readFileSync(join(HERE, file)));
  return hash.digest('hex').slice(0, 12);
}

/** Imports the base image, bootstrapping it first where its tarball is not in the cache. Resolves to its tag. */
export async function ensureBase(suite: Suite, log: Log): Promise<string> {
  const hash = baseHash(suite);
  const tag = `holdfast-host-base:${suite}-${hash}`;
  if (await imageExists(tag)) return tag;
  const tarball = join(CACHE_FOLDER, `base-${suite}-${hash}.tar`);
  if (!(await exists(tarball))) await bootstrap({ suite, tarball, log });
  log('importing the base image');
  await docker(['import', ...IMAGE_CHANGES, tarball, tag], { timeout_ms: BUILD_TIMEOUT_MS });
  await removeImages(`holdfast-host-base:${suite}-*`, [tag]);
  return tag;
}

async function bootstrap(options: { suite: Suite; tarball: string; log: Log }): Promise<void> {
  const { suite, tarball, log } = options;
  log(`building Debian ${suite} with its package cache (about a minute)`);
  const unfinished = `${tarball}.part`;
  const argv = [
    ['mmdebstrap', '--variant=minbase', '--format=tar', '--skip=cleanup/apt'],
    ['--aptopt=Acquire::Retries "5"', '--dpkgopt=force-unsafe-io'],
    [`--include=${INSTALLED.join(',')}`, `--customize-hook=${join(HERE, 'customize.sh')}`],
    [suite, unfinished, '-'],
  ].flat();
  await mustRun(argv, {
    input: `${sourcesOf(suite)}\n`,
    timeout_ms: BUILD_TIMEOUT_MS,
    env: {
      SOURCES: sourcesOf(suite),
      CACHE: SUITES[suite].cache.join(' '),
      RIVALS: SUITES[suite].rivals.join(' '),
    },
    onOutput: (text) => {
      for (const [, step] of text.matchAll(/^I: (.+)\.\.\.$/gm)) log(`  ${step}`);
    },
  });
  await rename(unfinished, tarball);
  await removeOlderTarballs(tarball, suite);
}

async function removeOlderTarballs(newest: string, suite: Suite): Promise<void> {
  for (const name of await readdir(dirname(newest))) {
    if (name.startsWith(`base-${suite}-`) && name !== basename(newest)) await rm(join(dirname(newest), name));
  }
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
