import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { ControllerClient, ManifestAnswer } from '../../../agent/daemon/controller-client.ts';
import { ControllerError } from '../../../agent/daemon/controller-client.ts';
import { createLog, type Log } from '../../../agent/daemon/log.ts';
import { StateFiles } from '../../../agent/daemon/state-files.ts';
import { linuxFiles } from '../../../agent/host/files/linux.ts';
import type { Preview } from '../../../desired-state/schema/preview.ts';
import type { Report } from '../../../desired-state/schema/report.ts';

export const HOST = 'web-1';

export interface ManifestOverrides {
  readonly host?: string;
  readonly revision?: string;
  readonly sequence?: number;
  readonly format?: { readonly major: number; readonly minor: number };
  readonly schedule?: string;
  readonly splay_ms?: number;
}

/** Text of a manifest as a controller sends it, without resources: the daemon does not look into them. */
export function manifestText(overrides: ManifestOverrides = {}): string {
  const { schedule = '*/5 * * * *', splay_ms = 60_000, ...rest } = overrides;
  return JSON.stringify({
    format: { major: 1, minor: 0 },
    host: HOST,
    revision: 'a'.repeat(40),
    environment: 'test',
    roles: ['base'],
    mode: 'enforce',
    agent: {
      schedule,
      splay_ms,
      retryFirst_ms: 5000,
      retryMax_ms: 300_000,
      statusPort: 9475,
      statsd: { host: '127.0.0.1', port: 8125, prefix: 'holdfast.' },
      tags: [],
    },
    resources: [],
    ...rest,
  });
}

export async function stateFiles(t: TestContext): Promise<{ files: StateFiles; directory: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-daemon-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return { files: new StateFiles(linuxFiles(), directory), directory };
}

export function recordingLog(): { readonly log: Log; readonly lines: string[] } {
  const lines: string[] = [];
  return { lines, log: createLog({ write: (text) => lines.push(...text.trimEnd().split('\n')), priorities: true }) };
}

/** Lets everything that is ready run, without a clock: promise jobs and the files port's synchronous calls. */
export async function settle(turns = 20): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** A controller in memory: answers at once, or holds requests, or is away. */
export class FakeController implements ControllerClient {
  text: string | undefined;
  etag: string | undefined;
  away = false;
  readonly asked: { readonly etag: string | undefined; readonly wait_ms: number; readonly at_ms: number }[] = [];
  readonly reports: Report[] = [];
  readonly previews: { readonly id: string; readonly preview: Preview }[] = [];
  /** What it says of pauses; it does not speak of them unless told. */
  pause: ManifestAnswer['pause'];
  #preview: ManifestAnswer['preview'];
  #release: () => void = () => {};

  serve(text: string, etag: string | undefined): void {
    this.text = text;
    this.etag = etag;
    this.#release();
  }

  /** Answers what is held: with a manifest to look at, or with what it says of pauses. */
  order(order: Pick<ManifestAnswer, 'pause' | 'preview'>): void {
    if (order.pause !== undefined) this.pause = order.pause;
    this.#preview = order.preview;
    this.#release();
  }

  goAway(): void {
    this.away = true;
    this.#release();
  }

  comeBack(): void {
    this.away = false;
  }

  async manifest({ etag, wait_ms, signal }: Parameters<ControllerClient['manifest']>[0]): Promise<ManifestAnswer> {
    this.asked.push({ etag, wait_ms, at_ms: Date.now() });
    this.#throwIfAway();
    if (etag !== undefined && etag === this.etag && wait_ms > 0) {
      await new Promise<void>((resolve) => {
        this.#release = resolve;
        signal.addEventListener('abort', () => resolve(), { once: true });
        setTimeout(resolve, wait_ms);
      });
      this.#throwIfAway();
    }
    const pause = this.pause === undefined ? {} : { pause: this.pause };
    const preview = this.#preview;
    this.#preview = undefined;
    if (preview !== undefined) return { text: undefined, etag, revision: undefined, preview, ...pause };
    if (this.text === undefined) throw new ControllerError('the controller answered 503', { status: 503 });
    if (etag !== undefined && etag === this.etag) return { text: undefined, etag, revision: undefined, ...pause };
    return { text: this.text, etag: this.etag, revision: undefined, ...pause };
  }

  async report(report: Report): Promise<void> {
    this.#throwIfAway();
    this.reports.push(report);
  }

  async preview(id: string, preview: Preview): Promise<void> {
    this.previews.push({ id, preview });
  }

  #throwIfAway(): void {
    if (this.away) throw new ControllerError('connect ECONNREFUSED');
  }
}
