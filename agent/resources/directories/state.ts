import type { SpecOf } from '../../../desired-state/schema/kinds.ts';
import type { FileStat } from '../../host/files/port.ts';
import type { OwnedMode, OwnerIds } from '../shared/ownership.ts';

export type DirectorySpec = SpecOf['directories'];

/** An entry directly in the directory that no resource of the manifest owns. */
export interface Unmanaged {
  readonly name: string;
  readonly stat: FileStat;
  readonly inhabited: boolean;
}

/** An entry anywhere below whose owner, group or mode is not as `recurse` wants it. */
export interface Stray {
  readonly path: string;
  readonly stat: FileStat;
  /** The mode that it shall have; the present one where modes are not managed. */
  readonly mode: number;
}

export interface DirectoryState {
  readonly there: FileStat | undefined;
  /** Of what stands there: something in it, or a symlink with something behind it. */
  readonly inhabited: boolean;
  readonly unmanaged: readonly Unmanaged[];
  readonly strays: readonly Stray[];
  readonly ids: OwnerIds;
}

export type DirectoryChange =
  | {
      readonly type: 'make';
      readonly path: string;
      readonly owned: OwnedMode;
      readonly seen: FileStat | undefined;
    }
  | {
      readonly type: 'attributes';
      readonly path: string;
      readonly owned: OwnedMode;
      readonly seen: FileStat;
      readonly differences: readonly string[];
    }
  | { readonly type: 'own'; readonly path: string; readonly owned: OwnedMode; readonly strays: readonly Stray[] }
  | { readonly type: 'purge'; readonly path: string; readonly entries: readonly Unmanaged[] }
  | { readonly type: 'remove'; readonly path: string; readonly seen: FileStat; readonly force: boolean }
  | { readonly type: 'refuse'; readonly path: string; readonly reason: string };
