import * as v from 'valibot';
import { defineKind } from './kind.ts';
import { accountName, duration, fileMode, normalPath, positiveInteger, secretText } from './values.ts';

const HOST_NAME = /^(?:\*\.)?(?!-)[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/;
const IP_ADDRESS = /^(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]+)$/;

const dnsNameOrAddress = v.pipe(
  v.string('expected a DNS name or an IP address'),
  v.check((text) => HOST_NAME.test(text) || IP_ADDRESS.test(text), 'expected a DNS name or an IP address'),
);

const selfSigned = v.strictObject({
  names: v.pipe(
    v.array(dnsNameOrAddress, 'expected a list of DNS names and IP addresses'),
    v.minLength(1, 'expected at least one name'),
    v.description('What the certificate is for: DNS names and IP addresses. The first is also its common name.'),
  ),
  days: v.pipe(
    v.optional(v.pipe(positiveInteger, v.maxValue(36500, 'expected at most 36500 days')), 365),
    v.description('How long it is valid, in days.'),
  ),
});

const entry = v.pipe(
  v.strictObject({
    self_signed: v.pipe(
      v.optional(selfSigned),
      v.description(
        'The host makes key and certificate itself, and renews them in time. For development, and between own hosts.',
      ),
    ),
    certificate: v.pipe(
      v.optional(secretText),
      v.description('The certificate as PEM, followed by the intermediate ones.'),
    ),
    key: v.pipe(v.optional(secretText), v.description('The private key as PEM, without a passphrase: `!secret NAME`.')),
    renew_before: v.pipe(
      v.optional(duration, '30d'),
      v.description(
        'How long before its end a certificate counts as expiring. A self-signed one is renewed then; for one from secrets the host asks for a new one.',
      ),
    ),
    certificate_path: v.pipe(
      v.optional(normalPath),
      v.description('Where the certificate goes. Default `/etc/ssl/holdfast/NAME.crt`, mode 0644.'),
    ),
    key_path: v.pipe(
      v.optional(normalPath),
      v.description('Where the key goes. Default `/etc/ssl/holdfast/NAME.key`.'),
    ),
    owner: v.pipe(v.optional(accountName, 'root'), v.description('User that owns both files.')),
    group: v.pipe(v.optional(accountName, 'root'), v.description('Group of both files.')),
    mode: v.pipe(
      v.optional(fileMode, '0600'),
      v.check(
        (mode) => (mode & 0o137) === 0,
        'expected a mode that only owner and group can read: "0600", "0640" or "0400"',
      ),
      v.description('Mode of the key: 0600, or 0640 for a daemon that reads it by its group.'),
    ),
  }),
  v.check(
    (given) => (given.self_signed === undefined) !== (given.certificate === undefined && given.key === undefined),
    'expected either "self_signed" or "certificate" and "key"',
  ),
  v.check(
    (given) => (given.certificate === undefined) === (given.key === undefined),
    'expected "certificate" and "key" together',
  ),
  v.check(
    (given) => given.self_signed === undefined || given.renew_before < given.self_signed.days * 86_400_000,
    '"renew_before" must be shorter than the certificate’s "days", or it would be renewed for ever',
  ),
);

/** Durations in milliseconds. */
export const certificates = defineKind({
  form: 'each',
  entry,
  names: v.pipe(
    v.string('expected a name'),
    v.regex(/^[A-Za-z0-9][\w.-]*$/, 'expected a name of letters, digits and . _ - that starts with a letter or digit'),
  ),
  description: 'A TLS certificate with its key: self-signed and renewed, or from secrets.',
  owns: (name, spec) => Object.values(certificatePaths({ ...spec, name })),
});

/** Where the two files of an entry go. */
export function certificatePaths(spec: {
  readonly name: string;
  readonly certificate_path?: string | undefined;
  readonly key_path?: string | undefined;
}): { readonly certificate: string; readonly key: string } {
  return {
    certificate: spec.certificate_path ?? `/etc/ssl/holdfast/${spec.name}.crt`,
    key: spec.key_path ?? `/etc/ssl/holdfast/${spec.name}.key`,
  };
}
