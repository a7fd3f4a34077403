import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import type { Host } from '../../host/host.ts';
import type { CertificateSpec } from './observe.ts';

export interface Pair {
  readonly certificate: string;
  readonly key: string;
}

const ROOT_ONLY = { uid: 0, gid: 0 };

/**
 * A key by Node and a certificate by openssl, because Node cannot make certificates. openssl wants the key as a file: it
 * lies in a folder that only root can enter, on a file system in memory, for the one call.
 */
export async function generatePair(spec: CertificateSpec, host: Host): Promise<Pair> {
  const { names = [], days = 0 } = spec.self_signed ?? {};
  const folder = `/run/holdfast-certificate-${spec.name}`;
  const keyPath = join(folder, 'key.pem');
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  await host.files.removeTree(folder);
  try {
    await host.files.makeDirectory(folder, { ...ROOT_ONLY, mode: 0o700 });
    await host.files.write(keyPath, key, { ...ROOT_ONLY, mode: 0o600 });
    const subject = ['-subj', `/CN=${commonName(names)}`, '-addext', `subjectAltName=${names.map(altName).join(',')}`];
    const { stdout } = await host.run({
      argv: ['openssl', 'req', '-x509', '-new', '-sha256', '-key', keyPath, '-days', String(days), ...subject],
      timeout_ms: 30_000,
    });
    return { certificate: stdout, key };
  } finally {
    await host.files.removeTree(folder);
  }
}

/** X.509 bounds a common name to 64 characters; clients read the alternative names only. */
function commonName(names: readonly string[]): string {
  return (names[0] ?? '').slice(0, 64);
}

function altName(name: string): string {
  return /^[\d.]+$|:/.test(name) ? `IP:${name}` : `DNS:${name}`;
}
