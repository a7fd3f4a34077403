import { createHash } from 'node:crypto';
import type { RawResource } from '../../desired-state/schema/manifest.ts';
import { collectFragments, Secret } from '../../desired-state/schema/secret.ts';
import { isPlainObject } from '../../desired-state/schema/walk.ts';

/** Secrets that tie hosts together, as digests: equal ones are the same secret. Only for the controller's memory. */
export interface Credentials {
  /** Passwords of PostgreSQL roles that the host makes. */
  readonly sets: readonly string[];
  /** Secrets in the environments of its releases. */
  readonly uses: readonly string[];
}

export function credentialsOf(resources: readonly RawResource[]): Credentials {
  const sets = new Set<string>();
  const uses = new Set<string>();
  for (const { kind, spec } of resources) {
    if (!isPlainObject(spec)) continue;
    if (kind === 'postgres' && isPlainObject(spec['roles'])) {
      for (const role of Object.values(spec['roles'])) {
        if (isPlainObject(role) && role['password'] instanceof Secret) sets.add(digest(role['password'].reveal()));
      }
    }
    if (kind === 'releases') for (const text of collectFragments(spec['environment'])) uses.add(digest(text));
  }
  return { sets: [...sets], uses: [...uses] };
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 16);
}
