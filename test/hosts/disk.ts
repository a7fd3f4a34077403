/**
 * Makes a folder's disk full. The folder is copied to a tmpfs of exactly its size, mounted over it: a real
 * "No space left on device" that fills nothing of the machine. The tmpfs, and what was written since, is gone
 * after a restart of the host.
 */
import type { Host } from './host.ts';

/** Leaves `free_kib` free below `path`, which must be an absolute folder. May be called again to change that. */
export async function fillDisk(host: Host, path: string, free_kib: number): Promise<void> {
  if (!(await isSmallDisk(host, path))) {
    const staging = `/mnt/full${path.replaceAll('/', '-')}`;
    await host.mustExec(['mkdir', '-p', staging]);
    await host.mustExec(['mount', '-t', 'tmpfs', '-o', 'size=50%', DISK_NAME, staging]);
    await host.mustExec(['cp', '-a', `${path}/.`, staging], { timeout_ms: 120_000 });
    // systemd shares its mounts, and a shared one cannot be moved.
    await host.mustExec(['mount', '--bind', staging, path]);
    await host.mustExec(['umount', staging]);
    await host.mustExec(['rmdir', staging]);
  }
  const used_kib = Number((await host.mustExec(['df', '--output=used', '-k', path])).split('\n')[1]);
  // A tmpfs counts in pages; size 0 would mean no limit.
  await host.mustExec(['mount', '-o', `remount,size=${Math.max(used_kib + free_kib, 4)}k`, path]);
}

/** Gives a folder that `fillDisk` filled its room back. */
export async function freeDisk(host: Host, path: string): Promise<void> {
  await host.mustExec(['mount', '-o', 'remount,size=50%', path]);
}

const DISK_NAME = 'holdfast-small-disk';

async function isSmallDisk(host: Host, path: string): Promise<boolean> {
  const result = await host.exec(['findmnt', '--noheadings', '--output', 'SOURCE', '--mountpoint', path]);
  return result.stdout.includes(DISK_NAME);
}
