import { createHash } from 'node:crypto';
import { type MaybeSecret, reveal } from '../../../desired-state/schema/secret.ts';
import { Stalled } from '../../resource.ts';
import type { FileSpec } from './state.ts';

/** A spec never changes, so its hash is worked out once in its life and not on every run. */
const hashes = new WeakMap<FileSpec, string>();

export function contentHash(spec: FileSpec): string {
  const known = hashes.get(spec);
  if (known !== undefined) return known;
  const hash = createHash('sha256')
    .update(reveal(contentOf(spec)))
    .digest('hex');
  hashes.set(spec, hash);
  return hash;
}

export function contentOf(spec: FileSpec): MaybeSecret {
  if (spec.content !== undefined) return spec.content;
  throw new Stalled(
    `files/${spec.name} still names a template or a source: the manifest has to pass through the compiler, which reads it`,
  );
}
