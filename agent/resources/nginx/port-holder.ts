import type { HostReader } from '../../host/host.ts';
import type { ProcessInfo } from '../../host/processes/port.ts';

/** The process that listens on a TCP port, by `/proc/net/tcp` and the sockets that processes hold. */
export async function holderOf(port: number, host: HostReader): Promise<ProcessInfo | undefined> {
  const tables = await Promise.all(['/proc/net/tcp', '/proc/net/tcp6'].map((path) => host.files.readText(path)));
  const sockets = new Set(
    tables.flatMap((table) => listeningInodes(table ?? '', port)).map((inode) => `socket:[${inode}]`),
  );
  if (sockets.size === 0) return undefined;
  for (const candidate of await host.processes.list()) {
    const open = await host.processes.openFiles(candidate.pid);
    if (open.some((path) => sockets.has(path))) return candidate;
  }
  return undefined;
}

const LISTEN = '0A';

/** Inodes of the sockets that listen on `port`; the columns are those of proc(5): local address 2nd, state 4th, inode 10th. */
export function listeningInodes(table: string, port: number): readonly string[] {
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0');
  return table.split('\n').flatMap((line) => {
    const columns = line.trim().split(/\s+/);
    const inode = columns[9];
    return columns[1]?.endsWith(`:${hexPort}`) === true && columns[3] === LISTEN && inode !== undefined ? [inode] : [];
  });
}
