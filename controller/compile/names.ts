import { closest, distance } from 'fastest-levenshtein';

/** Host names as DNS knows them; roles and environments may have `_`, too. Also what keeps a name from being a path. */
const HOST_NAME = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;
const LAYER_NAME = /^[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?$/;
export const SECRET_NAME = /^[A-Za-z_][\w.-]{0,127}$/;

export function isHostName(name: string): boolean {
  return HOST_NAME.test(name);
}

export function isLayerName(name: string): boolean {
  return LAYER_NAME.test(name);
}

/**
 * `, did you mean "packages"?` for the nearest known name; where none is near, the list if it is short; else nothing.
 */
export function hint(name: string, known: Iterable<string>): string {
  const names = [...new Set(known)];
  if (names.length === 0) return '';
  const nearest = closest(name.toLowerCase(), names);
  if (distance(name.toLowerCase(), nearest.toLowerCase()) <= Math.max(2, Math.floor(name.length / 3))) {
    return `, did you mean "${nearest}"?`;
  }
  return names.length <= 12 ? `; known: ${names.sort().join(', ')}` : '';
}
