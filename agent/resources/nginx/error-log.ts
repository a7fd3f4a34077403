import type { FileReader } from '../../host/files/port.ts';
import type { HostReader } from '../../host/host.ts';
import { TREE } from './layout.ts';

const DEFAULT_LOG = '/var/log/nginx/error.log';

/** Where the master writes; `undefined` where it is no file (`stderr`, `syslog:`, a memory buffer). */
export async function errorLogOf(files: FileReader): Promise<string | undefined> {
  return mainErrorLog((await files.readText(`${TREE}/nginx.conf`)) ?? '');
}

/** The `error_log` outside of every block. */
export function mainErrorLog(conf: string): string | undefined {
  let depth = 0;
  for (const raw of conf.split('\n')) {
    const line = raw.replace(/#.*$/, '');
    const path = /^\s*error_log\s+["']?([^\s;"']+)/.exec(line)?.[1];
    if (depth === 0 && path !== undefined) return path.startsWith('/') ? path : undefined;
    depth += line.split('{').length - line.split('}').length;
  }
  return DEFAULT_LOG;
}

export async function sizeOf(files: FileReader, path: string): Promise<number> {
  return (await files.statTarget(path))?.size_bytes ?? 0;
}

/** What was written after `offset_bytes`; all of it where the log was rotated since. By `tail`: a log may be of any size. */
export async function readSince(host: HostReader, path: string, offset_bytes: number): Promise<string> {
  const size = await sizeOf(host.files, path);
  if (size === offset_bytes) return '';
  const first = size > offset_bytes ? offset_bytes + 1 : 1;
  return (await host.probe({ argv: ['tail', `--bytes=+${first}`, path], timeout_ms: 10_000 })).stdout;
}
