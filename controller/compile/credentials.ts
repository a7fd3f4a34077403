import { createHash } from 'node:crypto';
import type { RawResource } from '../../desired-state/schema/manifest.ts';
import { versionedName } from '../../desired-state/schema/postgres-role.ts';
import { collectFragments, Secret } from '../../desired-state/schema/secret.ts';
import { isPlainObject } from '../../desired-state/schema/walk.ts';

/** Secrets that tie hosts together, as digests: equal ones are the same secret. Only for the controller's memory. */
export interface Credentials {
  /** Passwords of PostgreSQL roles that the host makes, and the names of logins for versions of them. */
  readonly sets: readonly string[];
  /** Secrets in the environments of its releases, and texts there, any of which may be the name of a login. */
  readonly uses: readonly string[];
}

export function credentialsOf(resources: readonly RawResource[]): Credentials {
  const sets = new Set<string>();
  const uses = new Set<string>();
  for (const { kind, spec } of resources) {
    if (!isPlainObject(spec)) continue;
    if (kind === 'postgres' && isPlainObject(spec['roles'])) {
      for (const [name, role] of Object.entries(spec['roles'])) {
        if (!isPlainObject(role)) continue;
        if (role['password'] instanceof Secret) sets.add(digest(role['password'].reveal()));
        if (typeof role['version'] === 'string') sets.add(digest(login(versionedName(name, role['version']))));
      }
    }
    if (kind !== 'releases' || !isPlainObject(spec['environment'])) continue;
    for (const text of collectFragments(spec['environment'])) uses.add(digest(text));
    for (const text of Object.values(spec['environment'])) if (typeof text === 'string') uses.add(digest(login(text)));
  }
  return { sets: [...sets], uses: [...uses] };
}

function login(name: string): string {
  return `login\0${name}`;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 16);
}
