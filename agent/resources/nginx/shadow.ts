import { join } from 'node:path';
import type { FileReader } from '../../host/files/port.ts';
import type { Host } from '../../host/host.ts';
import { Stalled } from '../../resource.ts';
import type { Owners } from './diff.ts';
import { explainRefusal } from './explain.ts';
import { BINARY, TREE } from './layout.ts';

/** nginx resolves the host names of upstreams while it tests: a resolver that is away takes its time. */
const TEST_TIMEOUT_MS = 60_000;
/** Its arguments are a tree and the place where nginx expects it; both are constants of ours. */
const TEST_AT_PLACE = `mount --bind "$1" "$2" && exec "$3" -t`;

/**
 * Tests `tree` as nginx will read it: with the tree mounted at `/etc/nginx`, so that every absolute path in it means the
 * tree that is tested. The mount lives in a namespace of this one process and is seen by nobody else. Rejects with
 * nginx's words, told of the site that caused them.
 */
export async function testTree(host: Host, tree: string, owners: Owners): Promise<void> {
  const isolate = ['--mount', '--propagation', 'private', 'sh', '-c', TEST_AT_PLACE, 'sh', tree, TREE, BINARY];
  const argv: [string, ...string[]] = tree === TREE ? [BINARY, '-t'] : ['unshare', ...isolate];
  const { code, stderr } = await host.probe({ argv, timeout_ms: TEST_TIMEOUT_MS, okCodes: [0, 1, 32] });
  if (code === 0) return;
  const { message, permanent } = explainRefusal(stderr, owners);
  throw permanent ? new Stalled(message) : new Error(message);
}

/** Changes when anything in the tree does: names, inodes and ctimes of all entries. */
export async function fingerprint(files: FileReader, root: string): Promise<string> {
  const names = await files.list(root);
  const stat = await files.stat(root);
  const own = `${root}:${stat?.inode}:${stat?.type}:${stat?.ctime_ms}`;
  if (stat?.type !== 'directory') return own;
  const inside = await Promise.all((names ?? []).map((name) => fingerprint(files, join(root, name))));
  return [own, ...inside].join('\n');
}
