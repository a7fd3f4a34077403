import { type MaybeSecret, reveal, Secret } from '../../../desired-state/schema/secret.ts';
import type { UserRecord } from '../../host/accounts/port.ts';
import type { UserSpec } from './state.ts';

/** What a spec leaves open, worked out. Pure. */

export function homeOf(spec: UserSpec, record: UserRecord | undefined): string {
  return spec.home ?? record?.home ?? `/home/${spec.name}`;
}

export function wantsHome(spec: UserSpec): boolean {
  return spec.create_home ?? !spec.system;
}

export function shellOf(spec: UserSpec): string {
  return spec.shell ?? (spec.system ? '/usr/sbin/nologin' : '/bin/bash');
}

/** The field of `/etc/shadow`: the hash, with a `!` before it where the password is locked. */
export function passwordField(spec: UserSpec): MaybeSecret | undefined {
  if (spec.password === undefined) return undefined;
  const hash = reveal(spec.password);
  return spec.locked === true ? new Secret(`!${hash}`, [hash]) : new Secret(hash);
}
