/** The DogStatsD capture of a test: either on the host itself, where an agent sends to by default, or of the compose set. */
import { join } from 'node:path';
import { HARNESS_NODE } from './container.ts';
import type { Host } from './host.ts';
import type { Datagram } from './statsd-capture.ts';

const SCRIPT = join(import.meta.dirname, 'statsd-capture.ts');
const ON_HOST = '/var/tmp/statsd-capture.ts';
const URL_ON_HOST = 'http://127.0.0.1:8126/datagrams';

export interface StatsdCapture {
  /** What has arrived since the start or the last `clear`. */
  datagrams(): Promise<readonly Datagram[]>;
  clear(): Promise<void>;
}

/** Starts a capture on a host's loopback, port 8125. It ends with the host. */
export async function captureStatsd(host: Host): Promise<StatsdCapture> {
  await host.copyIn(SCRIPT, ON_HOST);
  await host.mustExec(['systemd-run', '--quiet', '--unit=statsd-capture', HARNESS_NODE, ON_HOST, '127.0.0.1']);
  const curl = [
    'curl',
    '--silent',
    '--show-error',
    '--fail',
    '--retry',
    '20',
    '--retry-connrefused',
    '--retry-delay',
    '0',
  ];
  const capture: StatsdCapture = {
    datagrams: async () => parseDatagrams(await host.mustExec([...curl, URL_ON_HOST])),
    clear: async () => {
      await host.mustExec([...curl, '--request', 'DELETE', URL_ON_HOST]);
    },
  };
  await capture.datagrams();
  return capture;
}

function parseDatagrams(text: string): readonly Datagram[] {
  const datagrams: readonly Datagram[] = JSON.parse(text);
  return datagrams;
}
