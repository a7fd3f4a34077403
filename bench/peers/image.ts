import { createHash } from 'node:crypto';
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ensureImage } from '../../test/hosts/build-image.ts';
import { docker, imageExists, removeImages, tryDocker } from '../../test/hosts/docker.ts';
import { IMAGE_CHANGES } from '../../test/hosts/image/base.ts';
import type { Progress } from '../settings.ts';

/** The same stack written for the peers; it lies beside the checkout, and without it there is nothing to compare with. */
const PEERS_FOLDER = join(import.meta.dirname, '../../../shared/peers');
const PACKAGES = ['ansible', 'puppet-agent', 'cfengine3', 'curl', 'openssl', 'sudo'];
const INSTALL_TIMEOUT_MS = 900_000;

export function peersFolder(): string | undefined {
  return existsSync(PEERS_FOLDER) ? PEERS_FOLDER : undefined;
}

/** A host image with the three peers installed and the stack's packages in its cache; built once per base image. */
export async function ensurePeersImage(progress: Progress): Promise<string> {
  const base = await ensureImage('bookworm', progress);
  const hash = createHash('sha256').update(PACKAGES.join(' ')).digest('hex').slice(0, 8);
  const tag = `holdfast-peers:${base.split(':').at(-1)}-${hash}`;
  if (await imageExists(tag)) return tag;
  progress(`installing ${PACKAGES.join(', ')} into ${tag}`);
  const container = await docker(['run', '--detach', '--entrypoint', '/bin/sleep', base, 'infinity']);
  try {
    const apt = (...words: string[]) =>
      docker(['exec', '--env', 'DEBIAN_FRONTEND=noninteractive', container, 'apt-get', '-q', '-y', ...words], {
        timeout_ms: INSTALL_TIMEOUT_MS,
      });
    await apt('update');
    await apt('install', '--no-install-recommends', ...PACKAGES);
    await docker(['commit', ...IMAGE_CHANGES, container, tag], { timeout_ms: INSTALL_TIMEOUT_MS });
    await removeImages('holdfast-peers:*', [tag]);
  } finally {
    await tryDocker(['rm', '--force', container]);
  }
  return tag;
}

/** Changes with the definitions of the peers, and with the image and the scripts that a host of theirs is made with. */
export function hashOfPeers(inputs: readonly string[]): string {
  const hash = createHash('sha256').update(inputs.join('\0'));
  const folder = peersFolder();
  for (const path of folder === undefined ? [] : globSync('**/*', { cwd: folder }).toSorted()) {
    const full = join(PEERS_FOLDER, path);
    if (statSync(full).isFile()) hash.update(`${path}\0`).update(readFileSync(full));
  }
  return hash.digest('hex').slice(0, 12);
}
