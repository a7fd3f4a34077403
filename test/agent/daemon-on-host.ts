/** The daemon on a test host: its unit, its configuration, and its answers. */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { AgentStatus } from '../../agent/daemon/status.ts';
import { AgentOnHost } from '../conformance/agent-on-host.ts';
import type { Host } from '../hosts/host.ts';

const UNIT_FILE = join(import.meta.dirname, '../../bootstrap/systemd/holdfast-agent.service');
const UNIT = 'holdfast-agent.service';
const WAIT_MS = 30_000;
const POLL_MS = 50;

export class DaemonOnHost {
  readonly host: Host;
  readonly agent: AgentOnHost;

  private constructor(host: Host, agent: AgentOnHost) {
    this.host = host;
    this.agent = agent;
  }

  /** Puts the agent, its unit and its configuration there; does not start it. */
  static async install(host: Host, config: Readonly<Record<string, unknown>> = {}): Promise<DaemonOnHost> {
    const agent = await AgentOnHost.install(host);
    await host.copyIn(UNIT_FILE, `/etc/systemd/system/${UNIT}`);
    await host.writeFile('/etc/holdfast/agent.json', JSON.stringify({ host: host.name, ...config }));
    await host.sh('systemctl daemon-reload');
    return new DaemonOnHost(host, agent);
  }

  /** Resolves when systemd has it as started, which it is only after READY=1. */
  async start(): Promise<void> {
    await this.host.mustExec(['systemctl', 'enable', '--now', UNIT]);
  }

  async property(name: string): Promise<string> {
    return (await this.host.mustExec(['systemctl', 'show', '--value', '--property', name, UNIT])).trim();
  }

  async status(): Promise<AgentStatus> {
    const { stdout, stderr } = await this.host.exec(['holdfast-agent', 'status', '--json']);
    if (!stdout.startsWith('{')) throw new Error(`no status: ${stdout}${stderr}`);
    const status: AgentStatus = JSON.parse(stdout);
    return status;
  }

  /** Polls until the status is as wanted; rejects with the last one. */
  async until(what: string, isSo: (status: AgentStatus) => boolean): Promise<AgentStatus> {
    let last: unknown;
    const found = await poll(async () => {
      const status = await this.status().catch((error: unknown) => {
        last = error;
        return undefined;
      });
      if (status !== undefined) last = status;
      return status !== undefined && isSo(status) ? status : undefined;
    });
    if (found !== undefined) return found;
    const journal = await this.journal();
    throw new Error(`not within ${WAIT_MS} ms: ${what}\n${JSON.stringify(last, null, 2)}${String(last)}\n${journal}`);
  }

  journal(): Promise<string> {
    return this.host.mustExec(['journalctl', '--no-pager', '--output=cat', '--unit', UNIT]);
  }

  /** Memory of the main process in KiB. */
  async memory(): Promise<{ readonly resident_kib: number; readonly anonymous_kib: number }> {
    const text = await this.host.readFile(`/proc/${await this.property('MainPID')}/status`);
    const of = (key: string): number => Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]);
    return { resident_kib: of('VmRSS'), anonymous_kib: of('RssAnon') };
  }
}

/** Asks again and again until there is an answer; `undefined` when the bound has passed. */
export async function poll<Answer>(ask: () => Promise<Answer | undefined>): Promise<Answer | undefined> {
  const deadline = Date.now() + WAIT_MS;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined || Date.now() > deadline) return answer;
    await delay(POLL_MS);
  }
}
