import { dirname } from 'node:path';
import { certificatePaths } from '../../../desired-state/schema/certificates.ts';
import { reveal } from '../../../desired-state/schema/secret.ts';
import type { Host } from '../../host/host.ts';
import { Stalled } from '../../resource.ts';
import { resolveOwner } from '../shared/ownership.ts';
import type { CertificateChange } from './diff.ts';
import { belongTogether, factsOf } from './facts.ts';
import { generatePair, type Pair } from './generate.ts';
import type { CertificateSpec } from './observe.ts';

export async function apply(change: CertificateChange, host: Host): Promise<void> {
  const { spec } = change;
  switch (change.type) {
    case 'generate':
      return writePair(spec, await generatePair(spec, host), host);
    case 'install':
      return writePair(spec, declaredPair(spec), host);
    case 'own': {
      const owner = await resolveOwner(host.accounts, spec, change.path);
      return host.files.setOwnership(change.path, { ...owner, mode: change.mode });
    }
    case 'expiring':
      throw new Stalled(
        `the certificate "${spec.name}" in the manifest cannot stay: ${change.reason}; put a new certificate and key there`,
      );
  }
}

/** Checks the pair before any of it is written, so that a wrong one never takes the place of a working one. */
function declaredPair(spec: CertificateSpec): Pair {
  const pair = { certificate: reveal(spec.certificate ?? ''), key: reveal(spec.key ?? '') };
  if (factsOf(pair.certificate) === undefined) {
    throw new Stalled(`"certificate" of certificates/${spec.name} is no PEM certificate`);
  }
  if (!belongTogether(pair.certificate, pair.key)) {
    throw new Stalled(
      `"key" of certificates/${spec.name} does not belong to its "certificate", or is no unencrypted PEM key; nothing was written`,
    );
  }
  return pair;
}

/** The key first: killed in between, the two do not match, which the next run finds and mends. */
async function writePair(spec: CertificateSpec, pair: Pair, host: Host): Promise<void> {
  const paths = certificatePaths(spec);
  await writeOwned(spec, { path: paths.key, text: pair.key, mode: spec.mode }, host);
  await writeOwned(spec, { path: paths.certificate, text: pair.certificate, mode: 0o644 }, host);
}

async function writeOwned(
  spec: CertificateSpec,
  { path, text, mode }: { path: string; text: string; mode: number },
  host: Host,
): Promise<void> {
  const folder = dirname(path);
  if ((await host.files.stat(folder)) === undefined) {
    await host.files.makeDirectory(folder, { uid: 0, gid: 0, mode: 0o755 });
  }
  await host.files.write(path, text, { ...(await resolveOwner(host.accounts, spec, path)), mode });
}
