import { createPrivateKey, X509Certificate } from 'node:crypto';

/** What a certificate says. Times in milliseconds since the epoch; names as `canonicalName` writes them. */
export interface CertificateFacts {
  readonly commonName: string;
  readonly names: readonly string[];
  readonly validFrom_ms: number;
  readonly validTo_ms: number;
  readonly selfSigned: boolean;
}

/** Of the first certificate in a PEM text; `undefined` where there is none that can be read. */
export function factsOf(pem: string): CertificateFacts | undefined {
  const certificate = parse(pem);
  if (certificate === undefined) return undefined;
  return {
    commonName: /^CN=(.*)$/m.exec(certificate.subject)?.[1] ?? '',
    names: namesOf(certificate.subjectAltName ?? ''),
    validFrom_ms: Date.parse(certificate.validFrom),
    validTo_ms: Date.parse(certificate.validTo),
    selfSigned: certificate.subject === certificate.issuer && certificate.checkIssued(certificate),
  };
}

/** Whether the key is the one that the certificate was made for. */
export function belongTogether(certificatePem: string, keyPem: string): boolean {
  try {
    return parse(certificatePem)?.checkPrivateKey(createPrivateKey(keyPem)) ?? false;
  } catch {
    return false;
  }
}

/** Node writes `DNS:a.example, IP Address:192.0.2.1`. */
function namesOf(subjectAltName: string): readonly string[] {
  return subjectAltName
    .split(', ')
    .map((part) => /^(?:DNS|IP Address):(.*)$/.exec(part)?.[1])
    .filter((name) => name !== undefined)
    .map(canonicalName);
}

/** DNS names in lower case; IPv6 addresses in their shortest form, which openssl does not write. */
export function canonicalName(name: string): string {
  if (!name.includes(':')) return name.toLowerCase();
  const url = `http://[${name}]`;
  return URL.canParse(url) ? new URL(url).hostname.slice(1, -1) : name.toLowerCase();
}

function parse(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}
