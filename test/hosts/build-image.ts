/** Builds the image that test hosts run: Debian and its package cache below, wheels and the machine's CAs on top. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { docker, imageExists, removeImages, tryDocker } from './docker.ts';
import { ensureEngine, ensureProgram, type Log } from './engine.ts';
import { baseHash, ensureBase, IMAGE_CHANGES } from './image/base.ts';
import { CACHE_FOLDER } from './image/cache-folder.ts';
import { extraAuthorities } from './image/certificates.ts';
import { SUITES, type Suite } from './image/suites.ts';
import { ensureWheels } from './image/wheels.ts';
import { withLock } from './lock.ts';

const ROOT = join(import.meta.dirname, '../..');
const MACHINE_BUNDLE = '/etc/ssl/certs/ca-certificates.crt';
const BUILD_LOCK_TIMEOUT_MS = 1_800_000;

/** Asks pip for the wheels of the image alone, so that no host needs an index. */
const PIP_CONFIG = '[global]\nno-index = true\nfind-links = /opt/wheels\ndisable-pip-version-check = true\n';

/**
 * The image's package lists are good as long as the image is, and not only for Debian's week; and they are whole
 * without translations of descriptions.
 */
const APT_CONFIG = 'Acquire::Check-Valid-Until "false";\nAcquire::Languages "none";\n';

/**
 * Makes sure that the host image of a suite exists and is that of its present inputs; builds what is missing.
 * Resolves to its tag, `holdfast-host:<suite>-<hash>`; `holdfast-host:<suite>` is an alias of the newest.
 */
export async function ensureImage(suite: Suite = 'bookworm', log: Log = () => {}): Promise<string> {
  const hash = imageHash(suite);
  const tag = `holdfast-host:${suite}-${hash}`;
  const existing = await tryDocker(['image', 'inspect', '--format', '{{.Id}}', tag]).catch(() => undefined);
  if (existing?.code === 0) return tag;
  await ensureEngine(log);
  return withLock('holdfast-host-image', BUILD_LOCK_TIMEOUT_MS, async () => {
    if (await imageExists(tag)) return tag;
    await mkdir(CACHE_FOLDER, { recursive: true });
    await ensureBuildPrograms(log);
    const [base, wheels] = await Promise.all([
      ensureBase(suite, log),
      ensureWheels({ suite, requirements: requirementsOf(suite), log }),
    ]);
    log('adding wheels and certificate authorities');
    await addLayer({ base, wheels, tag });
    await docker(['tag', tag, `holdfast-host:${suite}`]);
    await removeImages(`holdfast-host:${suite}-*`, [tag]);
    return tag;
  });
}

async function ensureBuildPrograms(log: Log): Promise<void> {
  await ensureProgram({ program: 'mmdebstrap', packages: ['mmdebstrap', 'debian-archive-keyring'], log });
  await ensureProgram({ program: 'pip3', packages: ['python3-pip'], log });
}

function imageHash(suite: Suite): string {
  const hash = createHash('sha256').update(baseHash(suite)).update(PIP_CONFIG).update(APT_CONFIG);
  for (const file of requirementsOf(suite)) hash.update(readFileSync(file));
  hash.update(machineBundle());
  return hash.digest('hex').slice(0, 12);
}

function requirementsOf(suite: Suite): readonly string[] {
  const wheels = join(import.meta.dirname, 'image/wheels.txt');
  // The example application's Django needs Python 3.10.
  return SUITES[suite].python === '3.9' ? [wheels] : [join(ROOT, 'examples/todomvc/requirements.txt'), wheels];
}

function machineBundle(): string {
  return existsSync(MACHINE_BUNDLE) ? readFileSync(MACHINE_BUNDLE, 'utf8') : '';
}

async function addLayer(options: { base: string; wheels: string; tag: string }): Promise<void> {
  const debianBundle = await docker([
    'run',
    '--rm',
    '--network',
    'none',
    '--entrypoint',
    '/bin/cat',
    options.base,
    MACHINE_BUNDLE,
  ]);
  const staging = await mkdtemp(join(tmpdir(), 'holdfast-image-'));
  const container = await docker([
    'create',
    '--network',
    'none',
    '--entrypoint',
    '/usr/sbin/update-ca-certificates',
    options.base,
  ]);
  try {
    const authorities = join(staging, 'ca-certificates');
    await mkdir(authorities);
    for (const [index, pem] of extraAuthorities({ machineBundle: machineBundle(), debianBundle }).entries()) {
      await writeFile(join(authorities, `machine-${index + 1}.crt`), pem);
    }
    await writeFile(join(staging, 'pip.conf'), PIP_CONFIG);
    await docker(['cp', `${authorities}/.`, `${container}:/usr/local/share/ca-certificates`]);
    await docker(['cp', join(staging, 'pip.conf'), `${container}:/etc/pip.conf`]);
    await writeFile(join(staging, 'apt.conf'), APT_CONFIG);
    await docker(['cp', join(staging, 'apt.conf'), `${container}:/etc/apt/apt.conf.d/90keep-package-lists`]);
    await docker(['cp', options.wheels, `${container}:/opt/wheels`]);
    await docker(['start', '--attach', container]);
    await docker(['commit', ...IMAGE_CHANGES, container, options.tag]);
  } finally {
    await docker(['rm', '--force', container]);
    await rm(staging, { recursive: true, force: true });
  }
}
