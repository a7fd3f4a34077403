/** Certificate authorities that the machine trusts beyond Debian's, as behind a proxy that inspects TLS. */
import { X509Certificate } from 'node:crypto';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** The certificates, as PEM, of `machineBundle` that `debianBundle` does not hold. Both are PEM bundles. */
export function extraAuthorities(options: { machineBundle: string; debianBundle: string }): readonly string[] {
  const known = new Set(certificatesIn(options.debianBundle).map(fingerprint));
  const extra = new Map<string, string>();
  for (const pem of certificatesIn(options.machineBundle)) {
    if (!known.has(fingerprint(pem)) && isCurrentAuthority(pem)) extra.set(fingerprint(pem), `${pem}\n`);
  }
  return [...extra.values()];
}

function certificatesIn(bundle: string): readonly string[] {
  return bundle.match(CERTIFICATE) ?? [];
}

function fingerprint(pem: string): string {
  return new X509Certificate(pem).fingerprint256;
}

function isCurrentAuthority(pem: string): boolean {
  const certificate = new X509Certificate(pem);
  return certificate.ca && new Date(certificate.validTo) > new Date();
}
