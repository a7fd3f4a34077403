import { certificatePaths } from '../../../desired-state/schema/certificates.ts';
import type { SpecOf } from '../../../desired-state/schema/kinds.ts';
import { reveal } from '../../../desired-state/schema/secret.ts';
import type { FileStat } from '../../host/files/port.ts';
import type { HostReader } from '../../host/host.ts';
import { lookUpOwner, type OwnerIds } from '../shared/ownership.ts';
import { belongTogether, type CertificateFacts, factsOf } from './facts.ts';

export type CertificateSpec = SpecOf['certificates'];

/** Of each file what stands there; never the key itself, so that nothing can print it. */
export interface CertificateState {
  readonly now_ms: number;
  readonly ids: OwnerIds;
  readonly certificate: FileStat | undefined;
  readonly key: FileStat | undefined;
  /** `undefined` where no certificate can be read. */
  readonly facts: CertificateFacts | undefined;
  readonly pairMatches: boolean;
  /** For a pair from secrets: both files hold exactly the declared text. */
  readonly asDeclared: { readonly certificate: boolean; readonly key: boolean };
}

export async function observe(spec: CertificateSpec, host: HostReader): Promise<CertificateState> {
  const paths = certificatePaths(spec);
  const [ids, certificate, key] = await Promise.all([
    lookUpOwner(host.accounts, spec),
    lookAt(paths.certificate, host),
    lookAt(paths.key, host),
  ]);
  return {
    now_ms: host.now(),
    ids,
    certificate: certificate.stat,
    key: key.stat,
    facts: factsOf(certificate.text),
    pairMatches: belongTogether(certificate.text, key.text),
    asDeclared: {
      certificate: spec.certificate !== undefined && certificate.text === reveal(spec.certificate),
      key: spec.key !== undefined && key.text === reveal(spec.key),
    },
  };
}

const MAX_PEM_BYTES = 1024 * 1024;

async function lookAt(path: string, host: HostReader): Promise<{ stat: FileStat | undefined; text: string }> {
  const stat = await host.files.stat(path);
  const readable = stat?.type === 'file' && stat.size_bytes <= MAX_PEM_BYTES;
  return { stat, text: readable ? ((await host.files.readText(path)) ?? '') : '' };
}
