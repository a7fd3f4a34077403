import type { SpecOf } from '../../../desired-state/schema/kinds.ts';
import type { MaybeSecret } from '../../../desired-state/schema/secret.ts';
import type { FileStat } from '../../host/files/port.ts';
import type { OwnedMode, OwnerIds } from '../shared/ownership.ts';

export type FileSpec = SpecOf['files'];

export interface FileState {
  /** What stands at the path, links not followed. */
  readonly there: FileStat | undefined;
  /** SHA-256 in hex; of a regular file only. */
  readonly hash?: string | undefined;
  /** The present text, for the diff that a person reads; only where the content differs and is not huge. */
  readonly text?: string | undefined;
  readonly linkTarget?: string | undefined;
  /** Of a directory: whether anything is in it. */
  readonly inhabited?: boolean | undefined;
  readonly ids: OwnerIds;
}

/** `seen` is what the change was planned against; where something else stands there by then, nothing is done. */
export type FileChange =
  | {
      readonly type: 'write';
      readonly path: string;
      readonly content: MaybeSecret;
      readonly owned: OwnedMode;
      readonly seen: FileStat | undefined;
      /** The present text where a diff can be shown. */
      readonly before: string | undefined;
      /** A directory in the way goes with all that is in it, and not only when it is empty. */
      readonly force: boolean;
      /** What is replaced beside the content, in words. */
      readonly also: readonly string[];
    }
  | {
      readonly type: 'attributes';
      readonly path: string;
      readonly owned: OwnedMode;
      readonly seen: FileStat;
      readonly differences: readonly string[];
    }
  | { readonly type: 'remove'; readonly path: string; readonly seen: FileStat; readonly force: boolean }
  /** Nothing may be done without consent: `reason` says what stands in the way and what to do. */
  | { readonly type: 'refuse'; readonly path: string; readonly reason: string };
