/** Images of hosts that were prepared once, so that many tests can start from a converged host. */
import { createHash } from 'node:crypto';
import { ensureImage } from './build-image.ts';
import { docker, imageExists, removeImages } from './docker.ts';
import { type Host, startHost } from './host.ts';
import { withLock } from './lock.ts';

const PREPARE_TIMEOUT_MS = 900_000;

/**
 * The image of a blank host after `prepare`, made where it is missing. `inputs` is all that the preparation depends
 * on beyond the host image (the text of manifests, hashes of bundles): a change of it makes the image anew.
 * Resolves to a tag for `startHost({ image })`.
 */
export async function bakedImage(options: {
  name: string;
  inputs: readonly string[];
  prepare: (host: Host) => Promise<void>;
}): Promise<string> {
  const blank = await ensureImage();
  const id = await docker(['image', 'inspect', '--format', '{{.Id}}', blank]);
  const hash = createHash('sha256')
    .update(JSON.stringify([id, options.inputs]))
    .digest('hex')
    .slice(0, 12);
  const tag = `holdfast-baked:${options.name}-${hash}`;
  return withLock(`holdfast-bake-${options.name}`, PREPARE_TIMEOUT_MS, async () => {
    if (await imageExists(tag)) return tag;
    await using host = await startHost({ name: options.name });
    await options.prepare(host);
    await host.bake(tag);
    await removeImages(`holdfast-baked:${options.name}-*`, [tag]);
    return tag;
  });
}
