/** Certificates for many hosts, of the controller's own authority, as an enrolment would have left them on both sides. */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { certificateRequest } from '../../agent/enroll/csr.ts';
import { identityPath, installIdPath, machineId } from '../../agent/enroll/identity.ts';
import { batchesOf } from '../../controller/store/batches.ts';
import type { Store } from '../../controller/store/database.ts';
import type { CertificatesTable } from '../../controller/store/tables.ts';
import { Authority } from '../../controller/trust/authority.ts';

/** The folder of an agent's state. */
export function agentDirectory(folder: string, host: string): string {
  return join(folder, host);
}

/** Writes what each host keeps below `folder`; resolves with the rows that the controller keeps. */
export async function enrolHosts(options: {
  readonly hosts: readonly string[];
  /** Of the controller; the authority is made there where there is none. */
  readonly stateDirectory: string;
  readonly folder: string;
}): Promise<readonly CertificatesTable[]> {
  await mkdir(options.stateDirectory, { recursive: true, mode: 0o700 });
  const authority = await Authority.open({ stateDirectory: options.stateDirectory, now_ms: () => Date.now() });
  const rows: CertificatesTable[] = [];
  for (const host of options.hosts) rows.push(await enrol(authority, host, agentDirectory(options.folder, host)));
  return rows;
}

async function enrol(authority: Authority, host: string, directory: string): Promise<CertificatesTable> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const issued = await authority.issueHost(host, certificateRequest(host, privateKey));
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const key = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  await writeFile(identityPath(directory), `${key}${issued.pem}${authority.certificate}`, { mode: 0o600 });
  await writeFile(installIdPath(directory), `${randomBytes(16).toString('hex')}\n`);
  const id = machineId(directory);
  if (id === undefined) throw new Error(`${directory} holds no identity`);
  const { fingerprint, serial, issued_ms, expires_ms } = issued;
  const machine = JSON.stringify({ id, starts: [], returns: 0 });
  return { fingerprint, host, serial, issued_ms, expires_ms, revoked_ms: null, revoked_by: null, why: null, machine };
}

export async function keepCertificates({ db }: Store, rows: readonly CertificatesTable[]): Promise<void> {
  for (const batch of batchesOf(rows)) await db.insertInto('certificates').values(batch).execute();
}
