/** Secrets, the first token of an administrator and the certificate authority: made once, in files that only their owner reads. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, open, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { mustRun } from '../../test/hosts/process.ts';
import type { LocalSettings } from './settings.ts';

const SECRETS = ['todo_db_password', 'todo_secret_key', 'datadog_db_password'] as const;
const CERTIFICATE_DAYS = 3650;

export interface Keys {
  readonly secrets: string;
  readonly adminToken: string;
  readonly caCert: string;
  readonly caKey: string;
}

/** Makes what is missing; what is there stays. Resolves to the files. */
export async function ensureKeys({ stateFolder }: LocalSettings): Promise<Keys> {
  const keys: Keys = {
    secrets: join(stateFolder, 'secrets.yaml'),
    adminToken: join(stateFolder, 'admin.token'),
    caCert: join(stateFolder, 'ca.crt'),
    caKey: join(stateFolder, 'ca.key'),
  };
  await mkdir(stateFolder, { recursive: true, mode: 0o755 });
  const secrets = SECRETS.map((name) => `${name}: "${randomBytes(32).toString('base64url')}"\n`);
  await putOnce(
    keys.secrets,
    `# Secrets of the local hosts, made at random. Never commit this file.\n${secrets.join('')}`,
  );
  await putOnce(keys.adminToken, `hf_${randomBytes(6).toString('hex')}_${randomBytes(32).toString('base64url')}\n`);
  if (!existsSync(keys.caCert)) await makeAuthority(keys);
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

/** Here and not by the controller at its first start: hosts and this machine then know it before it runs. */
async function makeAuthority({ caCert, caKey }: Keys): Promise<void> {
  const unfinished = join(dirname(caCert), 'ca.new.crt');
  await mustRun(
    [
      ['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
      ['-days', String(CERTIFICATE_DAYS), '-subj', `/CN=Holdfast ${randomBytes(4).toString('hex')}`],
      ['-addext', 'basicConstraints=critical,CA:TRUE,pathlen:0', '-addext', 'keyUsage=critical,keyCertSign,cRLSign'],
      ['-keyout', caKey, '-out', unfinished],
    ].flat(),
  );
  await chmod(caKey, 0o600);
  await rename(unfinished, caCert);
}
