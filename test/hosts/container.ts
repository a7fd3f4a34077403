/** How a host's container is made: the arguments that let systemd be its first process. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { docker, tryDocker } from './docker.ts';
import { OWN_TOKEN, OWNER_LABEL } from './owner.ts';

export const NODE_BINARY = join(import.meta.dirname, '../../node_modules/node/bin/node');
/** Where the hosts' own tools find Node, whatever the test does with /usr/lib/holdfast. */
export const HARNESS_NODE = '/.holdfast-test/node';

const AGENT_NODE = '/usr/lib/holdfast/node';
const BOOT_TIMEOUT_MS = 60_000;
const BOOT_POLL_MS = 25;

/**
 * What systemd needs: to mount, its own control groups (its entry point makes them writable), and a /run that is
 * empty at every boot; NET_ADMIN is a host's power over its own network; SIGRTMIN+3 asks systemd to halt.
 */
const SYSTEMD_ARGUMENTS: readonly string[] = [
  ['--cap-add', 'SYS_ADMIN', '--cap-add', 'NET_ADMIN'],
  ['--security-opt', 'seccomp=unconfined', '--security-opt', 'apparmor=unconfined'],
  ['--tmpfs', '/run', '--stop-signal', 'SIGRTMIN+3'],
].flat();

export interface ContainerOptions {
  readonly hostname: string;
  readonly image: string;
  /** The network, the host's address on it and a name server; without them the host has only its loopback. */
  readonly network?: { readonly name: string; readonly address: string; readonly nameServer: string };
  readonly memory_mb?: number;
  /** Folders on the machine's own file system, where overlayfs will not do (swap files). */
  readonly volumes?: readonly string[];
  readonly node: boolean;
}

/** Starts a container. Resolves to its id as soon as it runs, before it has booted. */
export async function runContainer(options: ContainerOptions): Promise<string> {
  if (!existsSync(NODE_BINARY)) throw new Error(`${NODE_BINARY} is missing: run npm ci`);
  const { network, memory_mb } = options;
  return docker(
    [
      ['run', '--detach', '--hostname', options.hostname, '--label', `${OWNER_LABEL}=${OWN_TOKEN}`],
      SYSTEMD_ARGUMENTS,
      network === undefined ? ['--network', 'none'] : ['--network', network.name, '--ip', network.address],
      // Other hosts of the network find it by its short name, as in a private DNS zone.
      network === undefined ? [] : ['--network-alias', options.hostname, '--dns', network.nameServer],
      memory_mb === undefined ? [] : ['--memory', `${memory_mb}m`],
      (options.volumes ?? []).flatMap((path) => ['--volume', path]),
      ['--volume', `${NODE_BINARY}:${HARNESS_NODE}:ro`],
      options.node ? ['--volume', `${NODE_BINARY}:${AGENT_NODE}:ro`] : [],
      [options.image],
    ].flat(),
  );
}

/** Waits until systemd has finished starting. Resolves to `running`, or `degraded` where a unit failed. */
export async function awaitBoot(container: string): Promise<'running' | 'degraded'> {
  const deadline = Date.now() + BOOT_TIMEOUT_MS;
  for (;;) {
    // Before systemd listens this fails at once; after that it waits by itself.
    const result = await tryDocker(['exec', container, 'timeout', '60', 'systemctl', 'is-system-running', '--wait']);
    const state = result.stdout.trim();
    if (state === 'running' || state === 'degraded') return state;
    if (Date.now() > deadline) {
      const logs = await tryDocker(['logs', '--tail', '30', container]);
      throw new Error(
        `the host did not boot within ${BOOT_TIMEOUT_MS} ms: ${state || result.stderr}\n${logs.stdout}${logs.stderr}`,
      );
    }
    await delay(BOOT_POLL_MS);
  }
}
