import { createHash, createHmac, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What this host proves by who it is, and what it believes of its controller. All of it from one file, so that it is never mixed. */
export interface Identity {
  /** PEM. */
  readonly key: string;
  readonly certificate: string;
  /** PEM of the authority that signed both this certificate and the controller's. */
  readonly ca: string;
  readonly host: string;
  readonly fingerprint: string;
  readonly issued_ms: number;
  readonly expires_ms: number;
}

/** In the state directory, mode 0600. The install id stays when the host is enrolled again. */
const IDENTITY = 'identity.pem';
const INSTALL_ID = 'install-id';

export function identityPath(stateDirectory: string): string {
  return join(stateDirectory, IDENTITY);
}

export function installIdPath(stateDirectory: string): string {
  return join(stateDirectory, INSTALL_ID);
}

/** `undefined` where the host is not enrolled. Throws, with what to do, where the file is damaged. */
export function readIdentity(stateDirectory: string): Identity | undefined {
  const path = identityPath(stateDirectory);
  const text = readIfThere(path);
  if (text === undefined) return undefined;
  try {
    return parseIdentity(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`${path} is damaged (${why}): enrol this host again: ${ENROLL}`, { cause: error });
  }
}

export const ENROLL = 'holdfast-agent enroll --join-token-file FILE';

/** A key, the certificate of it, and the authority's, in this order. Throws where they do not belong together. */
export function parseIdentity(text: string): Identity {
  const blocks = text.match(/-----BEGIN ([A-Z ]+)-----\n[\s\S]+?\n-----END \1-----/g) ?? [];
  const [key, certificate, ca] = blocks;
  if (key === undefined || certificate === undefined || ca === undefined) throw new Error('a part is missing');
  const parsed = new X509Certificate(certificate);
  const authority = new X509Certificate(ca);
  if (!parsed.verify(authority.publicKey)) throw new Error('the certificate is not of its authority');
  const host = /^DNS:([^,\s]+)$/.exec(parsed.subjectAltName ?? '')?.[1];
  if (host === undefined) throw new Error('the certificate names no host');
  return {
    key,
    certificate,
    ca,
    host,
    fingerprint: sha256(parsed.raw),
    issued_ms: Date.parse(parsed.validFrom),
    expires_ms: Date.parse(parsed.validTo),
  };
}

/** SHA-256 of a certificate's DER form. Throws where the text is none. */
export function pinOf(pem: string): string {
  return sha256(new X509Certificate(pem).raw);
}

const MACHINE_ID_FILES = ['/etc/machine-id', '/var/lib/dbus/machine-id'];
const ID_CHARACTERS = 32;

/**
 * What tells this machine from a copy of it: a hash of its machine-id, which must not be told itself (machine-id(5)), and
 * the id that was drawn at the enrolment. `undefined` where the host is not enrolled.
 */
export function machineId(stateDirectory: string, files: readonly string[] = MACHINE_ID_FILES): string | undefined {
  const install = readIfThere(installIdPath(stateDirectory))?.trim();
  if (install === undefined || !/^[0-9a-f]{32}$/.test(install)) return undefined;
  const id = files.map((file) => readIfThere(file)?.trim() ?? '').find((text) => text !== '') ?? '';
  return `${createHmac('sha256', id).update('holdfast machine').digest('hex').slice(0, ID_CHARACTERS)}.${install}`;
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function sha256(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}
