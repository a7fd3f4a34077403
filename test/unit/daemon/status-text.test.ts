import assert from 'node:assert/strict';
import { test } from 'node:test';
import { statusText } from '../../../agent/cli/status-text.ts';
import type { AgentStatus } from '../../../agent/daemon/status.ts';

const NOW_MS = Date.UTC(2026, 0, 10, 12);

const status: AgentStatus = {
  host: 'web-1',
  agentVersion: '1.2.3',
  pid: 42,
  started_ms: NOW_MS - 26 * 3_600_000,
  verdict: 'converged',
  revision: { running: 'a'.repeat(40) },
  controller: { state: 'reachable', since_ms: NOW_MS - 60_000 },
  run: {},
  resources: [],
  problems: [],
};

function text(certificate?: AgentStatus['certificate']): string {
  const own = certificate === undefined ? status : { ...status, certificate };
  return statusText(own, (style, words) => (style === 'dim' ? words : `<${style}>${words}</>`), NOW_MS, 'summary');
}

test('the head of the status has one column of labels', () => {
  const [head = ''] = text().split('\n\n');
  assert.deepEqual(head.split('\n'), [
    'host         web-1',
    'state        <green>converged</>',
    'revision     aaaaaaaaaaaa',
    'controller   reachable since 2026-01-10 11:59:00 UTC',
    'last run     none yet',
    'next run     not planned',
    'agent        1.2.3, process 42, up 26 h 0 min',
  ]);
});

const renewal_ms = Date.UTC(2026, 0, 8);

for (const { name, certificate, lines } of [
  {
    name: 'a certificate that is in order takes one line',
    certificate: { expires_ms: Date.UTC(2026, 2, 10, 12), renewal_ms: Date.UTC(2026, 1, 10) },
    lines: ['certificate  until 2026-03-10 12:00:00 UTC (in 59 d 0 h)'],
  },
  {
    name: 'a renewal that fails is told in a line of its own',
    certificate: {
      expires_ms: Date.UTC(2026, 0, 13, 12),
      renewal_ms,
      renewalFailed: { at_ms: NOW_MS, reason: 'revoked' },
      warning: 'its renewal fails: revoked',
    },
    lines: [
      'certificate  until 2026-01-13 12:00:00 UTC (in 3 d 0 h)',
      '             <yellow>its renewal fails: revoked</>',
    ],
  },
  {
    name: 'a certificate that has expired is red',
    certificate: { expires_ms: NOW_MS - 60_000, renewal_ms, warning: 'it has expired: enrol this host again' },
    lines: [
      'certificate  until 2026-01-10 11:59:00 UTC (1 min 0 s ago)',
      '             <red>it has expired: enrol this host again</>',
    ],
  },
]) {
  test(name, () => {
    const all = text(certificate).split('\n');
    const first = all.findIndex((line) => line.startsWith('certificate'));
    assert.deepEqual(all.slice(first, first + lines.length), lines);
    assert.match(all[first + lines.length] ?? '', /^last run/);
  });
}
