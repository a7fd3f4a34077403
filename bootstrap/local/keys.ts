/** Secrets, the controller's token and its certificate: made at random once, in files that only their owner reads. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, open, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { mustRun } from '../../test/hosts/process.ts';
import type { LocalSettings } from './settings.ts';

const SECRETS = ['todo_db_password', 'todo_secret_key', 'datadog_db_password'] as const;
const CERTIFICATE_DAYS = 3650;

export interface Keys {
  readonly secrets: string;
  readonly token: string;
  readonly certificate: string;
  readonly key: string;
}

/** Makes what is missing; what is there stays. Resolves to the files. */
export async function ensureKeys({ stateFolder, set }: LocalSettings): Promise<Keys> {
  const keys: Keys = {
    secrets: join(stateFolder, 'secrets.yaml'),
    token: join(stateFolder, 'token'),
    certificate: join(stateFolder, 'controller.crt'),
    key: join(stateFolder, 'controller.key'),
  };
  await mkdir(stateFolder, { recursive: true, mode: 0o755 });
  const secrets = SECRETS.map((name) => `${name}: "${randomBytes(32).toString('base64url')}"\n`);
  await putOnce(
    keys.secrets,
    `# Secrets of the local hosts, made at random. Never commit this file.\n${secrets.join('')}`,
  );
  await putOnce(keys.token, `${randomBytes(32).toString('hex')}\n`);
  if (!existsSync(keys.certificate)) await makeCertificate(keys, `${set.subnet}.10`);
  return keys;
}

async function putOnce(path: string, content: string): Promise<void> {
  if (existsSync(path)) return;
  const file = await open(`${path}.new`, 'w', 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
}

async function makeCertificate({ certificate, key }: Keys, address: string): Promise<void> {
  const unfinished = join(dirname(certificate), 'controller.new.crt');
  await mustRun(
    [
      ['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
      ['-days', String(CERTIFICATE_DAYS), '-subj', '/CN=holdfast-controller'],
      ['-addext', `subjectAltName=IP:${address},DNS:controller`],
      ['-keyout', key, '-out', unfinished],
    ].flat(),
  );
  await rename(unfinished, certificate);
}
