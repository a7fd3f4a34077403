import type { SpecOf } from '../../../desired-state/schema/kinds.ts';
import type { MaybeSecret } from '../../../desired-state/schema/secret.ts';

export type RepositoriesSpec = SpecOf['repositories'];
export type Repository = Exclude<RepositoriesSpec['repositories'][string], 'absent'>;

/** A file of the host as it is and as it shall be; `undefined` for "not there". */
export interface Part {
  readonly path: string;
  readonly is: string | undefined;
  /** Something is there, but not a regular file of root that everybody may read and root alone may write. */
  readonly odd: boolean;
  readonly wanted: MaybeSecret | undefined;
}

export interface RepositoriesState {
  readonly parts: ReadonlyMap<string, readonly Part[]>;
  readonly hasCertificates: boolean;
}

export interface RepositoryChange {
  readonly name: string;
  /** The parts that differ. */
  readonly parts: readonly Part[];
  readonly remove: boolean;
  /** The repository speaks TLS and the host has no list of authorities. */
  readonly needsCertificates: boolean;
}
