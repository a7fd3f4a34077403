import 'reflect-metadata';
import { createHash, createPrivateKey, X509Certificate as NodeCertificate, randomBytes, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { isHostName } from '../compile/names.ts';
import { readIfThere, writeFileAtomically } from '../store/atomic-file.ts';

const DAY_MS = 86_400_000;
const AUTHORITY_DAYS = 3650;
/** The agent renews at two thirds: a host may be off for a month and still is let in. */
export const HOST_CERTIFICATE_MS = 90 * DAY_MS;
/** Made at each start and renewed while the controller runs: see server-certificate.ts. */
const SERVER_CERTIFICATE_MS = 30 * DAY_MS;
/** A machine whose clock is a little behind takes a fresh certificate all the same. */
const BACKDATED_MS = 5 * 60_000;
/** X.520 allows no more for a common name; what counts is the alternative name. */
const MAX_COMMON_NAME = 64;
const MAX_CSR_CHARACTERS = 4096;

const EC = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const SIGNING = { name: 'ECDSA', hash: 'SHA-256' } as const;

export interface AuthorityOptions {
  readonly stateDirectory: string;
  /** PEM files of an authority that several controllers share; without them it is made in the state directory. */
  readonly certificateFile?: string | undefined;
  readonly keyFile?: string | undefined;
  readonly now_ms: () => number;
}

export interface IssuedCertificate {
  readonly pem: string;
  /** SHA-256 of the DER form, lower-case hex. */
  readonly fingerprint: string;
  readonly serial: string;
  readonly issued_ms: number;
  readonly expires_ms: number;
}

/** The request for a certificate is not one that is signed here; the message says why. */
export class BadRequestForCertificate extends Error {
  override readonly name = 'BadRequestForCertificate';
}

/** The controller's own certificate authority: its key signs the certificates of hosts and of the controller itself. */
export class Authority {
  /** PEM. */
  readonly certificate: string;
  /** SHA-256 of the certificate's DER form: what a join token pins. */
  readonly pin: string;
  readonly #issuer: x509.X509Certificate;
  readonly #key: webcrypto.CryptoKey;
  readonly #now_ms: () => number;

  private constructor(certificate: string, key: webcrypto.CryptoKey, now_ms: () => number) {
    this.certificate = certificate;
    this.#issuer = new x509.X509Certificate(certificate);
    this.pin = sha256(this.#issuer.rawData);
    this.#key = key;
    this.#now_ms = now_ms;
  }

  /** Reads the authority, or makes one. Throws with what is wrong with which file. */
  static async open(options: AuthorityOptions): Promise<Authority> {
    const own = options.certificateFile === undefined;
    const certificateFile = options.certificateFile ?? join(options.stateDirectory, 'ca.crt');
    const keyFile = options.keyFile ?? join(options.stateDirectory, 'ca.key');
    const key = await readIfThere(keyFile);
    const certificate = await readIfThere(certificateFile);
    if (key !== undefined && certificate !== undefined) {
      return new Authority(certificate, await checked({ key, certificate, keyFile, certificateFile }), options.now_ms);
    }
    if (!own || certificate !== undefined) {
      throw new Error(
        `${key === undefined ? keyFile : certificateFile}: there is none; restore it from a backup${
          own ? `, or remove ${certificateFile} to begin anew: every host has to enrol again then` : ''
        }`,
      );
    }
    // The key first: what has a certificate always has its key.
    const pem = key ?? (await newKey());
    if (key === undefined) await writeFileAtomically(keyFile, pem);
    const imported = await importKey(pem);
    const made = await selfSigned(imported, pem, options.now_ms());
    await writeFileAtomically(certificateFile, made);
    return new Authority(made, imported, options.now_ms);
  }

  /** Signs the key of a request for `host`, whatever name the request itself gives. Throws `BadRequestForCertificate`. */
  async issueHost(host: string, csr: string): Promise<IssuedCertificate> {
    if (!isHostName(host)) throw new BadRequestForCertificate('not a host name');
    return this.#issue({
      commonName: host,
      names: [{ type: 'dns', value: host }],
      publicKey: await keyOf(csr),
      usage: x509.ExtendedKeyUsage.clientAuth,
      lifetime_ms: HOST_CERTIFICATE_MS,
    });
  }

  /** Throws `BadRequestForCertificate` where `issueHost` would for its request. */
  async checkRequest(csr: string): Promise<void> {
    await keyOf(csr);
  }

  /** A certificate with a new key for this controller; `names` are DNS names and addresses by which it is reached. */
  async issueServer(names: readonly string[]): Promise<IssuedCertificate & { readonly key: string }> {
    const { publicKey, privateKey } = await webcrypto.subtle.generateKey(EC, true, ['sign', 'verify']);
    const issued = await this.#issue({
      commonName: 'holdfast-controller',
      names: names.map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value })),
      publicKey,
      usage: x509.ExtendedKeyUsage.serverAuth,
      lifetime_ms: SERVER_CERTIFICATE_MS,
    });
    return { ...issued, key: await exportKey(privateKey) };
  }

  async #issue(options: {
    readonly commonName: string;
    readonly names: readonly { readonly type: 'dns' | 'ip'; readonly value: string }[];
    readonly publicKey: webcrypto.CryptoKey;
    readonly usage: x509.ExtendedKeyUsage;
    readonly lifetime_ms: number;
  }): Promise<IssuedCertificate> {
    const now_ms = this.#now_ms();
    const expires_ms = Math.min(now_ms + options.lifetime_ms, this.#issuer.notAfter.getTime());
    const serial = newSerial();
    const certificate = await x509.X509CertificateGenerator.create(
      {
        serialNumber: serial,
        subject: [{ CN: [options.commonName.length > MAX_COMMON_NAME ? 'holdfast-host' : options.commonName] }],
        issuer: this.#issuer.subjectName,
        notBefore: new Date(now_ms - BACKDATED_MS),
        notAfter: new Date(expires_ms),
        publicKey: options.publicKey,
        signingKey: this.#key,
        signingAlgorithm: SIGNING,
        extensions: [
          new x509.BasicConstraintsExtension(false, undefined, true),
          new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
          new x509.ExtendedKeyUsageExtension([options.usage]),
          new x509.SubjectAlternativeNameExtension([...options.names]),
          await x509.AuthorityKeyIdentifierExtension.create(this.#issuer, false, webcrypto),
        ],
      },
      webcrypto,
    );
    return {
      pem: `${certificate.toString('pem')}\n`,
      fingerprint: sha256(certificate.rawData),
      serial,
      issued_ms: now_ms,
      // Certificates know seconds only.
      expires_ms: certificate.notAfter.getTime(),
    };
  }
}

export function sha256(data: ArrayBuffer | string): string {
  return createHash('sha256')
    .update(typeof data === 'string' ? data : new Uint8Array(data))
    .digest('hex');
}

/** The key that a request asks to have signed, once it has proved to hold it. */
async function keyOf(csr: string): Promise<webcrypto.CryptoKey> {
  if (csr.length > MAX_CSR_CHARACTERS) throw new BadRequestForCertificate('the request is too large');
  let request: x509.Pkcs10CertificateRequest;
  let proved: boolean;
  try {
    request = new x509.Pkcs10CertificateRequest(csr);
    proved = await request.verify(webcrypto);
  } catch {
    throw new BadRequestForCertificate('expected a PKCS #10 request for a certificate, PEM, with a key on P-256');
  }
  if (!proved) throw new BadRequestForCertificate('the request is not signed by the key that it names');
  try {
    return await webcrypto.subtle.importKey('spki', request.publicKey.rawData, EC, true, ['verify']);
  } catch {
    throw new BadRequestForCertificate('expected a key on P-256');
  }
}

async function checked(files: {
  readonly key: string;
  readonly certificate: string;
  readonly keyFile: string;
  readonly certificateFile: string;
}): Promise<webcrypto.CryptoKey> {
  const { keyFile, certificateFile } = files;
  try {
    const certificate = new NodeCertificate(files.certificate);
    if (!certificate.ca) throw new Error('it is no certificate of an authority (CA:TRUE is missing)');
    if (!certificate.checkPrivateKey(createPrivateKey(files.key))) throw new Error(`it does not belong to ${keyFile}`);
    if (new Date(certificate.validTo).getTime() < Date.now()) throw new Error(`it expired on ${certificate.validTo}`);
  } catch (error) {
    throw new Error(`${certificateFile}: ${reasonOf(error)}`, { cause: error });
  }
  try {
    return await importKey(files.key);
  } catch (error) {
    throw new Error(`${keyFile}: expected a key on P-256, PEM: ${reasonOf(error)}`, { cause: error });
  }
}

async function selfSigned(privateKey: webcrypto.CryptoKey, pem: string, now_ms: number): Promise<string> {
  const publicKey = await importPublicKey(pem);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: newSerial(),
      name: [{ CN: [`Holdfast ${randomBytes(4).toString('hex')}`] }],
      notBefore: new Date(now_ms - BACKDATED_MS),
      notAfter: new Date(now_ms + AUTHORITY_DAYS * DAY_MS),
      keys: { privateKey, publicKey },
      signingAlgorithm: SIGNING,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  );
  return `${certificate.toString('pem')}\n`;
}

async function newKey(): Promise<string> {
  const { privateKey } = await webcrypto.subtle.generateKey(EC, true, ['sign', 'verify']);
  return exportKey(privateKey);
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key));
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
    .export({ format: 'pem', type: 'pkcs8' })
    .toString();
}

function importKey(pem: string): Promise<webcrypto.CryptoKey> {
  const der = createPrivateKey(pem).export({ format: 'der', type: 'pkcs8' });
  return webcrypto.subtle.importKey('pkcs8', der, EC, false, ['sign']);
}

function importPublicKey(pem: string): Promise<webcrypto.CryptoKey> {
  const { kty, crv, x, y } = createPrivateKey(pem).export({ format: 'jwk' });
  return webcrypto.subtle.importKey('jwk', { kty, crv, x, y } as webcrypto.JsonWebKey, EC, true, ['verify']);
}

/** Positive and of 16 bytes, as RFC 5280 wants it. */
function newSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
