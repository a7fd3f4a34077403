import { createPrivateKey, generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import * as v from 'valibot';
import { type Answer, exchange, type Line, reasonIn, reasonOf } from '../daemon/exchange.ts';
import type { FileWriter } from '../host/files/port.ts';
import { certificateRequest } from './csr.ts';
import {
  type Identity,
  identityPath,
  installIdPath,
  machineId,
  parseIdentity,
  pinOf,
  readIdentity,
} from './identity.ts';

/** It cannot be enrolled, or not yet; the message says what to do. */
export class EnrollError extends Error {
  override readonly name = 'EnrollError';
  /** Whether it may be otherwise in a moment. */
  readonly passing: boolean;

  constructor(message: string, options: { readonly passing?: boolean; readonly cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.passing = options.passing === true;
  }
}

export interface EnrollOptions {
  readonly controller: URL;
  readonly host: string;
  /** `hfj_<id>_<secret>_<SHA-256 of the controller's authority>`. */
  readonly joinToken: string;
  readonly stateDirectory: string;
  readonly files: FileWriter;
  readonly agentVersion: string;
  /** Where the host is enrolled already: anew instead of not at all. */
  readonly again: boolean;
  /** For how long a controller that cannot be reached is tried again. */
  readonly wait_ms: number;
}

const ANSWER_MS = 30_000;
const MAX_ANSWER_BYTES = 65_536;
const TRY_AGAIN_MS = 2_000;
const PRIVATE = 0o600;
const INSTALL_ID_BYTES = 16;

/** Makes this machine a host of a controller: a key that never leaves it, and a certificate of that key. */
export async function enroll(
  options: EnrollOptions,
): Promise<{ readonly identity: Identity; readonly isNew: boolean }> {
  const { controller, host, stateDirectory } = options;
  const [, secret, pin] = /^(hfj_[0-9a-f]{12}_[\w-]{43})_([0-9a-f]{64})$/.exec(options.joinToken.trim()) ?? [];
  if (secret === undefined || pin === undefined) {
    throw new EnrollError(
      'this is no join token: expected one line that begins with "hfj_" and ends with 64 hex digits',
    );
  }
  if (controller.protocol !== 'https:') {
    throw new EnrollError(`${controller.href}: expected a URL that begins with https://`);
  }
  const present = options.again ? undefined : usable(stateDirectory, host, pin);
  if (present !== undefined && (await isAccepted(options, present))) return { identity: present, isNew: false };
  const deadline = performance.now() + options.wait_ms;
  for (;;) {
    try {
      return { identity: await join(options, { secret, pin }), isNew: true };
    } catch (error) {
      if (!(error instanceof EnrollError && error.passing) || performance.now() > deadline) throw error;
      await delay(TRY_AGAIN_MS);
    }
  }
}

async function join(
  options: EnrollOptions,
  token: { readonly secret: string; readonly pin: string },
): Promise<Identity> {
  const { controller, host, stateDirectory, files, agentVersion } = options;
  const userAgent = `holdfast-agent/${agentVersion}`;
  const ca = await pinnedAuthority({ controller, userAgent, tls: { rejectUnauthorized: false } }, token.pin);
  mkdirSync(stateDirectory, { recursive: true, mode: 0o700 });
  await haveInstallId(stateDirectory, files);
  const { key, csr } = newKey(host);
  const machine = machineId(stateDirectory);
  const answer = await ask(
    { controller, userAgent, tls: { ca } },
    { path: '/v1/enroll', body: { host, csr, machine }, headers: { authorization: `Bearer ${token.secret}` } },
  );
  return keep({ answer, key, host, stateDirectory, files });
}

/** Asks for the next certificate, of a new key, by the present one. */
export async function renew(options: {
  readonly host: string;
  readonly line: Line;
  readonly machine: string;
  readonly stateDirectory: string;
  readonly files: FileWriter;
}): Promise<Identity> {
  const { host, line, machine, stateDirectory, files } = options;
  const { key, csr } = newKey(host);
  const path = `/v1/hosts/${encodeURIComponent(host)}/certificate`;
  const answer = await ask(line, { path, body: { csr }, headers: { 'holdfast-machine': machine } });
  return keep({ answer, key, host, stateDirectory, files });
}

/** What is there already, where it is what this join token would give. */
function usable(stateDirectory: string, host: string, pin: string): Identity | undefined {
  let identity: Identity | undefined;
  try {
    identity = readIdentity(stateDirectory);
  } catch {
    return undefined; // damaged: this is the way to mend it
  }
  if (identity === undefined || machineId(stateDirectory) === undefined) return undefined;
  const good = identity.host === host && pinOf(identity.ca) === pin && identity.expires_ms > Date.now();
  return good ? identity : undefined;
}

/** Whether the controller still lets it in. One that cannot be reached has nothing against it: a second run changes nothing. */
async function isAccepted(
  { controller, host, stateDirectory, agentVersion }: EnrollOptions,
  identity: Identity,
): Promise<boolean> {
  const { key, certificate: cert, ca } = identity;
  const tls = { secureContext: process.getBuiltinModule('node:tls').createSecureContext({ key, cert, ca }) };
  const line = { controller, userAgent: `holdfast-agent/${agentVersion}`, tls };
  const path = `/v1/hosts/${encodeURIComponent(host)}/certificate`;
  const headers = { 'holdfast-machine': machineId(stateDirectory) ?? '' };
  try {
    const { status } = await exchange(line, {
      method: 'GET',
      path,
      headers,
      timeout_ms: ANSWER_MS,
      max_bytes: MAX_ANSWER_BYTES,
    });
    return status !== 401 && status !== 403;
  } catch {
    return true;
  }
}

/** The only thing that is believed unseen is the pin: until the authority has been compared with it, nothing is told. */
async function pinnedAuthority(line: Line, pin: string): Promise<string> {
  const { body, status } = await reached(line, () =>
    exchange(line, { method: 'GET', path: '/v1/ca', timeout_ms: ANSWER_MS, max_bytes: MAX_ANSWER_BYTES }),
  );
  let actual: string | undefined;
  try {
    actual = status === 200 ? pinOf(body) : undefined;
  } catch {
    actual = undefined;
  }
  if (actual === pin) return body;
  throw new EnrollError(
    actual === undefined
      ? `${line.controller.origin} does not answer as a controller (status ${status}): is the URL the right one?`
      : `${line.controller.origin} is not the controller that made this join token: its authority is ${actual}, and the token names ${pin}. ` +
          'Is the URL the right one? If the controller was set up anew, have another join token made',
  );
}

interface Asked {
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;
}

async function ask(line: Line, { path, body, headers }: Asked): Promise<Answer> {
  const answer = await reached(line, () =>
    exchange(line, {
      method: 'POST',
      path,
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
      timeout_ms: ANSWER_MS,
      max_bytes: MAX_ANSWER_BYTES,
    }),
  );
  if (answer.status === 201) return answer;
  throw new EnrollError(`${line.controller.origin} answered ${answer.status}: ${reasonIn(answer).text}`, {
    passing: answer.status === 503,
  });
}

async function reached<T>({ controller }: Line, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    const hint =
      error instanceof Error && 'code' in error && error.code === 'ERR_TLS_CERT_ALTNAME_INVALID'
        ? ': start the controller with --name for this name'
        : '';
    throw new EnrollError(`${controller.origin}: ${reasonOf(error)}${hint}`, { passing: hint === '', cause: error });
  }
}

function newKey(host: string): { readonly key: string; readonly csr: string } {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const key = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  return { key, csr: certificateRequest(host, privateKey) };
}

async function haveInstallId(stateDirectory: string, files: FileWriter): Promise<void> {
  const path = installIdPath(stateDirectory);
  if (existsSync(path) && /^[0-9a-f]{32}\s*$/.test(readFileSync(path, 'utf8'))) return;
  await writePrivately(files, path, `${randomBytes(INSTALL_ID_BYTES).toString('hex')}\n`);
}

const answerSchema = v.object({ certificate: v.string(), ca: v.string() });

async function keep(options: {
  readonly answer: Answer;
  readonly key: string;
  readonly host: string;
  readonly stateDirectory: string;
  readonly files: FileWriter;
}): Promise<Identity> {
  const { answer, key, host, stateDirectory, files } = options;
  let text: string;
  let identity: Identity;
  try {
    const { certificate, ca } = v.parse(answerSchema, JSON.parse(answer.body));
    text = `${[key, certificate, ca].map((part) => part.trim()).join('\n')}\n`;
    identity = parseIdentity(text);
    if (identity.host !== host) throw new Error(`it is of ${identity.host}`);
    if (!new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key)))
      throw new Error('it is of another key');
  } catch (error) {
    throw new EnrollError(`the controller's answer holds no good certificate: ${reasonOf(error)}`, { cause: error });
  }
  await writePrivately(files, identityPath(stateDirectory), text);
  return identity;
}

async function writePrivately(files: FileWriter, path: string, text: string): Promise<void> {
  const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  await files.write(path, text, { ...owner, mode: PRIVATE });
}
