import { decodeManifest, type Manifest, ManifestError } from '../../desired-state/schema/manifest.ts';
import type { StateFiles } from './state-files.ts';

const NAME = 'manifest.json';

export interface CacheReading {
  readonly manifest?: Manifest;
  readonly text?: string;
  /** The cache was there and could not be used; says where it is now. */
  readonly problem?: string;
}

/** The last good manifest. What cannot be decoded, or is of another host, is put aside and fetched again. */
export async function readCachedManifest(files: StateFiles, host: string): Promise<CacheReading> {
  const path = files.path(NAME);
  let text: string | undefined;
  try {
    text = await files.read(NAME);
  } catch (error) {
    return { problem: `the cached manifest ${path} cannot be read: ${reasonOf(error)}` };
  }
  if (text === undefined) return {};
  try {
    const manifest = decodeManifest(text);
    if (manifest.host !== host) throw new ManifestError(`it is of host "${manifest.host}" and this host is "${host}"`);
    return { manifest, text };
  } catch (error) {
    const bad = await files.putAside(NAME);
    return { problem: `the cached manifest ${path} was refused and put aside as ${bad}: ${reasonOf(error)}` };
  }
}

export async function writeCachedManifest(files: StateFiles, text: string): Promise<void> {
  await files.write(NAME, text);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
