/** Images of hosts that were prepared once, so that many tests can start from a converged host. */
import { createHash } from 'node:crypto';
import { ensureImage } from './build-image.ts';
import { docker, imageExists, removeImages } from './docker.ts';
import { type Host, startHost } from './host.ts';
import { withLock } from './lock.ts';

const PREPARE_TIMEOUT_MS = 900_000;

/**
 * The image of a host after `prepare`, made where it is missing. `inputs` is all that the preparation depends
 * on beyond the host image (the text of manifests, hashes of bundles): a change of it makes the image anew.
 * Resolves to a tag for `startHost({ image })`.
 */
export async function bakedImage(options: {
  name: string;
  inputs: readonly string[];
  /** The image to start from, itself baked; that of the blank host unless told. */
  from?: string;
  prepare: (host: Host) => Promise<void>;
}): Promise<string> {
  const from = options.from ?? (await ensureImage());
  const id = await docker(['image', 'inspect', '--format', '{{.Id}}', from]);
  const hash = createHash('sha256')
    .update(JSON.stringify([id, options.inputs]))
    .digest('hex')
    .slice(0, 12);
  const tag = `holdfast-baked:${options.name}-${hash}`;
  return withLock(`holdfast-bake-${options.name}`, PREPARE_TIMEOUT_MS, async () => {
    if (await imageExists(tag)) return tag;
    await using host = await startHost({ name: options.name, image: from });
    await options.prepare(host);
    await host.bake(tag);
    await removeImages(`holdfast-baked:${options.name}-*`, [tag]);
    return tag;
  });
}
