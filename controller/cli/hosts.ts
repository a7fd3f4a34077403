import type { HostStatus } from '../hosts.ts';
import type { Command } from './command.ts';
import { type Column, table } from './table.ts';
import { agoText, short } from './text.ts';

export function hostColumns(now_ms: number): readonly Column<HostStatus>[] {
  return [
    { title: 'HOST', value: ({ host }) => host },
    { title: 'STATE', value: ({ state }) => state, state: true },
    { title: 'REVISION', value: ({ runningRevision }) => short(runningRevision) },
    { title: 'SEEN', value: ({ lastSeen_ms }) => agoText(lastSeen_ms, now_ms) },
    { title: 'WHY', value: ({ why }) => why },
  ];
}

export const hosts: Command = {
  name: 'hosts',
  summary: 'every host with its state',
  options: {
    state: { value: 'STATE', help: 'only those that are converged, failed, silent, drifted, behind, …' },
    role: { value: 'ROLE', help: 'only those with this role' },
    names: { help: 'the names alone, one on each line' },
  },
  online: true,
  async run(work) {
    const { io } = work;
    const answer = await (await work.client()).ask<{ hosts: readonly HostStatus[] }>('GET /v1/hosts');
    const [state, role] = [work.text('state'), work.text('role')];
    const wanted = answer.hosts.filter(
      (host) =>
        (state === undefined || host.state === state) && (role === undefined || host.roles?.includes(role) === true),
    );
    work.answer({ hosts: wanted }, () => {
      if (work.flag('names')) return wanted.map(({ host }) => `${host}\n`).join('');
      if (wanted.length === 0) return 'no host\n';
      const [name, how, ...rest] = hostColumns(io.now_ms());
      const columns = [
        ...[name, how].filter((one) => one !== undefined),
        { title: 'ENVIRONMENT', value: ({ environment }: HostStatus) => environment },
        { title: 'ROLES', value: ({ roles }: HostStatus) => roles?.join(',') },
        ...rest,
      ];
      return table(wanted, columns, io);
    });
    return 0;
  },
};
