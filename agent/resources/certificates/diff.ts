import { certificatePaths } from '../../../desired-state/schema/certificates.ts';
import { reveal } from '../../../desired-state/schema/secret.ts';
import { ownershipDifferences, typeText } from '../shared/ownership.ts';
import { canonicalName, factsOf } from './facts.ts';
import type { CertificateSpec, CertificateState } from './observe.ts';

export type CertificateChange =
  /** Make a new self-signed pair. */
  | { readonly type: 'generate'; readonly spec: CertificateSpec; readonly reason: string }
  /** Write the pair from the manifest. */
  | { readonly type: 'install'; readonly spec: CertificateSpec; readonly reason: string }
  /** Only owner or mode of one file differ. */
  | {
      readonly type: 'own';
      readonly spec: CertificateSpec;
      readonly path: string;
      readonly mode: number;
      readonly differences: readonly string[];
    }
  /** The pair from the manifest runs out, and only a new revision can mend that. */
  | { readonly type: 'expiring'; readonly spec: CertificateSpec; readonly reason: string };

const CERTIFICATE_MODE = 0o644;
const DAY_MS = 86_400_000;

/** A clock that is set back by a moment is no reason for another certificate. */
const CLOCK_SLACK_MS = 300_000;

export function diff(spec: CertificateSpec, state: CertificateState): readonly CertificateChange[] {
  if (spec.self_signed !== undefined) {
    const reason = reasonToGenerate(spec, spec.self_signed, state);
    return reason === undefined ? ownership(spec, state) : [{ type: 'generate', spec, reason }];
  }
  const reason = reasonToInstall(spec, state);
  const declared = factsOf(reveal(spec.certificate ?? ''));
  const expiry = expiryReason(spec, { facts: declared, now_ms: state.now_ms });
  const expiring: CertificateChange[] = expiry === undefined ? [] : [{ type: 'expiring', spec, reason: expiry }];
  if (reason !== undefined) return [{ type: 'install', spec, reason }, ...expiring];
  return [...ownership(spec, state), ...expiring];
}

function reasonToGenerate(
  spec: CertificateSpec,
  wanted: NonNullable<CertificateSpec['self_signed']>,
  state: CertificateState,
): string | undefined {
  const absence = reasonOfAbsence(spec, state);
  const { facts } = state;
  if (absence !== undefined || facts === undefined) return absence ?? 'the file holds no certificate';
  if (!state.pairMatches) return 'certificate and key do not belong together';
  if (!facts.selfSigned) return 'the certificate is not self-signed';
  const names = wanted.names.map(canonicalName);
  const foreign = facts.names.filter((name) => !names.includes(name));
  const missing = names.filter((name) => !facts.names.includes(name));
  if (missing.length > 0) return `it is not for ${missing.join(', ')}`;
  if (foreign.length > 0) return `it is also for ${foreign.join(', ')}`;
  const days = (facts.validTo_ms - facts.validFrom_ms) / DAY_MS;
  if (Math.abs(days - wanted.days) > 1) return `it is valid for ${Math.round(days)} days and not ${wanted.days}`;
  return expiryReason(spec, state);
}

function reasonToInstall(spec: CertificateSpec, state: CertificateState): string | undefined {
  const absence = reasonOfAbsence(spec, state);
  if (absence !== undefined) return absence;
  if (!state.asDeclared.certificate && !state.asDeclared.key) return 'both files differ from the manifest';
  if (!state.asDeclared.certificate) return 'the certificate differs from the manifest';
  return state.asDeclared.key ? undefined : 'the key differs from the manifest';
}

function reasonOfAbsence(spec: CertificateSpec, { certificate, key }: CertificateState): string | undefined {
  const paths = certificatePaths(spec);
  if (certificate === undefined && key === undefined) return 'there is none yet';
  if (certificate === undefined) return `there is no ${paths.certificate}`;
  if (key === undefined) return `there is no ${paths.key}`;
  if (certificate.type !== 'file') return `${paths.certificate} is ${typeText(certificate)}`;
  return key.type === 'file' ? undefined : `${paths.key} is ${typeText(key)}`;
}

function expiryReason(
  spec: CertificateSpec,
  { facts, now_ms }: Pick<CertificateState, 'facts' | 'now_ms'>,
): string | undefined {
  if (facts === undefined) return undefined;
  if (facts.validFrom_ms - now_ms > CLOCK_SLACK_MS) {
    return `it is not valid before ${dateText(facts.validFrom_ms)}: the clock was ahead when it was made`;
  }
  const left_ms = facts.validTo_ms - now_ms;
  if (left_ms <= 0) return `it expired on ${dateText(facts.validTo_ms)}`;
  if (left_ms > spec.renew_before) return undefined;
  return `it expires in ${Math.floor(left_ms / DAY_MS)} days, on ${dateText(facts.validTo_ms)}`;
}

function dateText(time_ms: number): string {
  return new Date(time_ms).toISOString().slice(0, 10);
}

function ownership(spec: CertificateSpec, state: CertificateState): readonly CertificateChange[] {
  const paths = certificatePaths(spec);
  const files = [
    { path: paths.certificate, stat: state.certificate, mode: CERTIFICATE_MODE },
    { path: paths.key, stat: state.key, mode: spec.mode },
  ];
  return files.flatMap(({ path, stat, mode }): CertificateChange[] => {
    const differences = stat === undefined ? [] : ownershipDifferences({ ...spec, mode }, state.ids, stat);
    return differences.length === 0 ? [] : [{ type: 'own', spec, path, mode, differences }];
  });
}
