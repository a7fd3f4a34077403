import { basename } from 'node:path';
import type { Described } from '../../resource.ts';
import type { CertificateChange } from './diff.ts';

/** Never a diff: one side of it would be a key, and the other is base64. */
export function describe(change: CertificateChange): Described {
  switch (change.type) {
    case 'generate': {
      const names = change.spec.self_signed?.names.join(', ') ?? '';
      return { summary: `make a self-signed certificate for ${names} (${change.reason})`, hazard: 'none' };
    }
    case 'install':
      return { summary: `write certificate and key (${change.reason})`, hazard: 'none' };
    case 'own':
      return { summary: `set ${basename(change.path)} to ${change.differences.join(', ')}`, hazard: 'none' };
    case 'expiring':
      return { summary: `ask for a new certificate in the manifest (${change.reason})`, hazard: 'none' };
  }
}
