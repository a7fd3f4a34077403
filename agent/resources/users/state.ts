import type { SpecOf } from '../../../desired-state/schema/kinds.ts';
import type { MaybeSecret } from '../../../desired-state/schema/secret.ts';
import type { UserRecord } from '../../host/accounts/port.ts';

export type UserSpec = SpecOf['users'];

export interface UserState {
  readonly record: UserRecord | undefined;
  readonly groups: readonly string[];
  /** Of the primary group that the spec names; `undefined` where the host has no such group or the spec names none. */
  readonly wantedGid: number | undefined;
  /** How the password field stands to the spec; `asDeclared` also where the spec says nothing. */
  readonly password: 'asDeclared' | 'differs' | 'notLocked';
  /** A directory, or a link to one, stands at the wanted home. */
  readonly hasHome: boolean;
  /** Of the user, for a removal only: `nginx (123)`. */
  readonly processes: readonly string[];
}

/** One option of `usermod`, with the words for it. */
export interface Modification {
  readonly argv: readonly [string, string];
  readonly text: string;
}

export type UserChange =
  | { readonly type: 'create'; readonly spec: UserSpec }
  | { readonly type: 'modify'; readonly name: string; readonly modifications: readonly Modification[] }
  | { readonly type: 'password'; readonly name: string; readonly field: MaybeSecret }
  | { readonly type: 'lock'; readonly name: string }
  | { readonly type: 'home'; readonly name: string; readonly path: string }
  | {
      readonly type: 'remove';
      readonly name: string;
      readonly uid: number;
      readonly removeHome: boolean;
      readonly processes: readonly string[];
    };
