import { isDeepStrictEqual } from 'node:util';
import { isPlainObject } from '../../desired-state/schema/walk.ts';
import type { PlannedChange } from '../git/ports.ts';

/** What a change of such a resource mostly costs; its agent would know better. */
const USUAL_HAZARD: Readonly<Record<string, PlannedChange['hazard']>> = {
  nginx: 'reload',
  postgres: 'reload',
  releases: 'reload',
  services: 'restart',
  supervisor: 'restart',
};

interface Resource {
  readonly kind: string;
  readonly name: string;
}

/**
 * What differs between two manifests of a host, for where the host itself cannot be asked: which resources, and which of
 * their keys, but nothing of their contents. Pure.
 */
export function compareManifests(before: string | undefined, after: string): readonly PlannedChange[] {
  const old = resourcesOf(before);
  const changes: PlannedChange[] = [];
  const change = ({ kind, name }: Resource, summary: string): void => {
    changes.push({ kind, name, summary, hazard: USUAL_HAZARD[kind] ?? 'none' });
  };
  for (const [key, resource] of resourcesOf(after)) {
    const known = old.get(key);
    old.delete(key);
    if (known === undefined) change(resource, 'declared anew');
    else if (!isDeepStrictEqual(known, resource))
      change(resource, `declared otherwise: ${differences(known, resource)}`);
  }
  for (const resource of old.values()) {
    changes.push({
      kind: resource.kind,
      name: resource.name,
      summary: 'declared no longer; it stays as it is',
      hazard: 'none',
    });
  }
  return changes;
}

function resourcesOf(text: string | undefined): Map<string, Resource> {
  const manifest: unknown = text === undefined ? {} : JSON.parse(text);
  const found = new Map<string, Resource>();
  if (!isPlainObject(manifest)) return found;
  for (const key of ['agent', 'mode']) {
    const settings = { kind: 'agent', name: key, spec: manifest[key] };
    if (key in manifest) found.set(key, settings);
  }
  const { resources } = manifest;
  for (const one of Array.isArray(resources) ? resources : []) {
    if (!isPlainObject(one)) continue;
    const { kind, name } = one;
    if (typeof kind === 'string' && typeof name === 'string') found.set(`${kind}/${name}`, { ...one, kind, name });
  }
  return found;
}

const SHOWN = 4;

function differences(before: object, after: object): string {
  const [old, now] = [specOf(before), specOf(after)];
  const keys = [...new Set([...Object.keys(old), ...Object.keys(now)])].filter(
    (key) => !isDeepStrictEqual(old[key], now[key]),
  );
  if (keys.length === 0) return 'its order or mode';
  return `${keys.slice(0, SHOWN).join(', ')}${keys.length > SHOWN ? ` and ${keys.length - SHOWN} more` : ''}`;
}

function specOf(resource: object): Record<string, unknown> {
  return 'spec' in resource && isPlainObject(resource.spec) ? resource.spec : {};
}
