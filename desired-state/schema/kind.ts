import type * as v from 'valibot';

/** A reference to another resource of the same host, written `kind/name` in a manifest, for example `packages/packages`. */
export interface ResourceRef {
  readonly kind: string;
  readonly name: string;
}

/**
 * How a kind appears in a manifest.
 *
 * `each`: the section is a map and every entry is a resource of its own (`files: { /etc/motd: {...} }`); the key is the
 * resource's name. `whole`: the section is one resource, named like its kind, because one transaction handles the set
 * best (all packages are one apt call, the nginx tree is one swap).
 */
export type Form = 'each' | 'whole';

/** One kind of the manifest language: the contract between what a user writes and what an agent reconciles. */
export interface KindDefinition<Entry extends v.GenericSchema = v.GenericSchema, F extends Form = Form> {
  readonly form: F;
  /** Schema of one resource. Every key has a `v.description`, which editors and the reference show. */
  readonly entry: Entry;
  /** What the keys of an `each` section look like. Default: any text. */
  readonly names?: v.GenericSchema<string, string>;
  /** One sentence for the reference. */
  readonly description: string;
  /** What an entry may be short for: `present` in `packages: { nginx: present }` is the entry's own business, but
   * `files: { /x: absent }` is written here as `{ absent: { ensure: 'absent' } }`. */
  readonly shorthands?: Readonly<Record<string, unknown>>;
  /** Absolute paths on the host that this resource owns alone. Two owners of one path are refused by the compiler. */
  owns?(name: string, spec: v.InferOutput<Entry>): readonly string[];
  /**
   * Completes the entry as it is written by what the resources of the host own, this one too: a directory that purges
   * spares their files. `owned` are absolute paths, sorted. The result has to be valid for `entry`.
   */
  sparing?(name: string, written: unknown, owned: readonly string[]): unknown;
}

export function defineKind<Entry extends v.GenericSchema, F extends Form>(
  definition: KindDefinition<Entry, F>,
): KindDefinition<Entry, F> {
  return definition;
}

/** What a kind's implementation receives: the parsed entry and the resource's name (the key, or the kind's name). */
export type SpecOfDefinition<D extends KindDefinition> = v.InferOutput<D['entry']> & { readonly name: string };
