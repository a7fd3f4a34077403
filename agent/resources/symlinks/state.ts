import type { SpecOf } from '../../../desired-state/schema/kinds.ts';
import type { FileStat } from '../../host/files/port.ts';
import type { OwnerIds, OwnerNames } from '../shared/ownership.ts';

export type SymlinkSpec = SpecOf['symlinks'];

export interface SymlinkState {
  readonly there: FileStat | undefined;
  readonly target?: string | undefined;
  /** Of a directory: whether anything is in it. */
  readonly inhabited?: boolean | undefined;
  readonly ids: OwnerIds;
}

export type SymlinkChange =
  | {
      readonly type: 'link';
      readonly path: string;
      readonly target: string;
      readonly owned: OwnerNames;
      readonly seen: FileStat | undefined;
      /** A directory in the way goes with all that is in it, and not only when it is empty. */
      readonly force: boolean;
      /** What stands there now, in words; `undefined` for nothing. */
      readonly instead: string | undefined;
    }
  | { readonly type: 'remove'; readonly path: string; readonly seen: FileStat; readonly force: boolean }
  | { readonly type: 'refuse'; readonly path: string; readonly reason: string };
