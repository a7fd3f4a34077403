import type { Report } from '../../desired-state/schema/report.ts';
import type { HostStatus } from '../hosts.ts';
import { UsageError } from '../options.ts';
import type { CertificatesTable } from '../store/tables.ts';
import type { Client } from './client.ts';
import type { Command } from './command.ts';
import { paintState } from './paint.ts';
import { resourceLines } from './resource-lines.ts';
import { table } from './table.ts';
import { agoText, momentText, oneLine, short } from './text.ts';

type HostAnswer = HostStatus & { readonly addresses: readonly string[]; readonly report?: Report };

export const hostShow: Command = {
  name: 'host show',
  args: 'HOST',
  summary: 'what is known of a host, and what is not in order on it',
  options: { diff: { help: 'with diffs' } },
  online: true,
  async run(work) {
    const { args, io } = work;
    const [host = ''] = args;
    const answer = await (await work.client()).ask<HostAnswer>('GET /v1/hosts/{host}', { path: { host } });
    work.answer(answer, () => {
      const now_ms = io.now_ms();
      const facts: readonly (readonly [string, string])[] = [
        ['state', `${paintState(answer.state, io.paint)}${answer.why === undefined ? '' : `: ${oneLine(answer.why)}`}`],
        ['environment', answer.environment ?? '-'],
        ['roles', answer.roles?.join(', ') ?? '-'],
        ['addresses', answer.addresses.join(', ') || '-'],
        ['wanted', short(answer.wantedRevision)],
        ['running', short(answer.runningRevision)],
        ['seen', agoText(answer.lastSeen_ms, now_ms)],
        ['reported', agoText(answer.lastReport_ms, now_ms)],
        ['agent', oneLine(answer.agentVersion ?? '-')],
        [
          'resources',
          Object.entries(answer.resources ?? {})
            .map(([status, number]) => `${number} ${status}`)
            .join(', ') || '-',
        ],
      ];
      const open = (answer.report?.run?.resources ?? []).filter(({ status }) => status !== 'converged');
      const lines = open.flatMap((resource) => resourceLines(resource, io, work.flag('diff')));
      return [
        `${io.paint('bold', answer.host)}\n`,
        ...facts.map(([name, value]) => `  ${name.padEnd(12)} ${value}\n`),
        ...lines.map((line) => `${line}\n`),
      ].join('');
    });
    return answer.state === 'converged' ? 0 : 1;
  },
  status1: 'the host is not converged',
};

interface Certificates {
  readonly certificates: readonly CertificatesTable[];
}

/** So much of a fingerprint is shown, and suffices to name it. */
const SHOWN_DIGITS = 16;

export const hostCertificates: Command = {
  name: 'host certificates',
  args: '[HOST]',
  summary: 'certificates of hosts, the newest first',
  online: true,
  async run(work) {
    const { args, io } = work;
    const answer = await (await work.client()).ask<Certificates>('GET /v1/certificates', { query: { host: args[0] } });
    work.answer(answer, () => {
      const now_ms = io.now_ms();
      if (answer.certificates.length === 0) return 'no certificate\n';
      const columns = [
        { title: 'HOST', value: ({ host }: CertificatesTable) => host },
        {
          title: 'FINGERPRINT',
          value: ({ fingerprint }: CertificatesTable) => fingerprint.slice(0, SHOWN_DIGITS),
          whole: true as const,
        },
        { title: 'ISSUED', value: ({ issued_ms }: CertificatesTable) => agoText(issued_ms, now_ms) },
        { title: 'EXPIRES', value: ({ expires_ms }: CertificatesTable) => agoText(expires_ms, now_ms) },
        { title: 'REVOKED', value: (one: CertificatesTable) => revokedText(one) },
      ];
      return table(answer.certificates, columns, io);
    });
    return 0;
  },
};

function revokedText({ revoked_ms, revoked_by, why }: CertificatesTable): string {
  if (revoked_ms === null) return '-';
  return `${momentText(revoked_ms)} by ${revoked_by ?? '?'}: ${why ?? '?'}`;
}

export const hostRevoke: Command = {
  name: 'host revoke',
  args: 'HOST|FINGERPRINT',
  summary: 'ends every certificate of a host at once, or one of them',
  about: 'The host goes on with what it has and gets nothing more; it comes back by a join token.',
  options: { why: { value: 'TEXT', help: 'the reason, which the host is told; wanted' } },
  online: true,
  async run(work) {
    const [which = ''] = work.args;
    const why = work.text('why');
    if (why === undefined) throw new UsageError('--why is wanted: it is what the host and the audit log are told');
    const client = await work.client();
    const fingerprint = await fingerprintOf(which, client);
    const answer =
      fingerprint !== undefined
        ? await client.ask<object>('POST /v1/certificates/{id}/revoke', { path: { id: fingerprint }, body: { why } })
        : await client.ask<{ revoked: readonly string[] }>('POST /v1/certificates/of/{name}/revoke', {
            path: { name: which },
            body: { why },
          });
    const none = 'revoked' in answer && Array.isArray(answer.revoked) && answer.revoked.length === 0;
    work.answer(answer, () => (none ? `${which} has no certificate that counts\n` : `${which} is revoked\n`));
    return none ? 1 : 0;
  },
  status1: 'there was nothing to revoke',
};

/** `undefined` where it is the name of a host. */
async function fingerprintOf(which: string, client: Client): Promise<string | undefined> {
  if (!/^[0-9a-f]{16,64}$/.test(which)) return undefined;
  const { certificates } = await client.ask<Certificates>('GET /v1/certificates');
  const [found, ...more] = certificates.filter(({ fingerprint }) => fingerprint.startsWith(which));
  if (more.length > 0) throw new UsageError(`more than one certificate begins with ${which}: give more of it`);
  return found?.fingerprint;
}
