/** A Debian host with systemd as its first process, for a test to use and to break. */
import { ensureImage } from './build-image.ts';
import { awaitBoot, runContainer } from './container.ts';
import { fillDisk, freeDisk } from './disk.ts';
import { docker, tryDocker } from './docker.ts';
import { ExecChannel } from './exec-channel.ts';
import { IMAGE_CHANGES } from './image/base.ts';
import { cableOf, sharedNetwork, type TestNetwork } from './network.ts';
import { commandLine, mustRun, type ProcessResult, runProcess } from './process.ts';
import { type KnownFiles, type Snapshot, takeSnapshot } from './snapshot.ts';
import { sweepOnce } from './sweep.ts';

export interface StartOptions {
  /** Its host name; `host` unless told. */
  readonly name?: string;
  /** An image to start from, as from `bakedImage`; the blank host unless told. */
  readonly image?: string;
  /** As a VM of that size: what exceeds it is killed. No limit unless told. */
  readonly memory_mb?: number;
  /** The process's shared network unless told; `none` leaves only the loopback. */
  readonly network?: TestNetwork | 'none';
  /** Folders that lie on the machine's file system, as swap files need. */
  readonly volumes?: readonly string[];
  /** Whether Node is at /usr/lib/holdfast/node, read-only; true unless told. */
  readonly node?: boolean;
}

export interface ExecOptions {
  readonly input?: string | Uint8Array;
  readonly user?: string;
  /** The command is ended after this; 60 s unless told. */
  readonly timeout_ms?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

const EXEC_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_S = 20;
/** How long after a command's own bound the container engine may take to tell of it. */
const EXEC_GRACE_MS = 10_000;

/** Starts a host and waits until it has booted. Dispose of it in the end; what is forgotten goes with the process. */
export async function startHost(options: StartOptions = {}): Promise<Host> {
  await sweepOnce();
  const image = options.image ?? (await ensureImage('bookworm', (line) => process.stderr.write(`hosts: ${line}\n`)));
  const network = options.network === 'none' ? undefined : (options.network ?? (await sharedNetwork()));
  const connection = network && {
    name: network.name,
    address: network.takeAddress(),
    nameServer: network.gatewayAddress,
  };
  const name = options.name ?? 'host';
  const container = await runContainer({
    hostname: name,
    image,
    node: options.node ?? true,
    ...(connection === undefined ? {} : { network: connection }),
    ...(options.memory_mb === undefined ? {} : { memory_mb: options.memory_mb }),
    ...(options.volumes === undefined ? {} : { volumes: options.volumes }),
  });
  const host = new Host({ name, container, address: connection?.address ?? '127.0.0.1' });
  try {
    await awaitBoot(container);
  } catch (error) {
    await host.dispose();
    throw error;
  }
  return host;
}

export class Host {
  readonly name: string;
  /** Id of its container. */
  readonly container: string;
  /** Its address on the private network, or the loopback's where it has none. */
  readonly address: string;
  #cable: string | undefined;
  readonly #known: KnownFiles = new Map();
  #channel: Promise<ExecChannel | undefined> | undefined;

  constructor(options: { name: string; container: string; address: string }) {
    this.name = options.name;
    this.container = options.container;
    this.address = options.address;
  }

  /** Runs a command on the host and resolves to its result, whatever its exit status (124: it ran out of time). */
  async exec(argv: readonly string[], options: ExecOptions = {}): Promise<ProcessResult> {
    const { input, user, cwd, env = {} } = options;
    const timeout_ms = options.timeout_ms ?? EXEC_TIMEOUT_MS;
    // Ending `docker exec` would leave the command running on the host: its bound must lie there.
    const bounded = ['timeout', '--kill-after=5', String(timeout_ms / 1000), ...argv];
    const settings = { timeout_ms: timeout_ms + EXEC_GRACE_MS, ...(input === undefined ? {} : { input }) };
    const isPlain = user === undefined && cwd === undefined && Object.keys(env).length === 0;
    const channel = isPlain ? await this.#openChannel() : undefined;
    if (channel !== undefined) return channel.run(bounded, settings);
    return runProcess(
      [
        ['docker', 'exec', '--interactive'],
        user === undefined ? [] : ['--user', user],
        cwd === undefined ? [] : ['--workdir', cwd],
        Object.entries(env).flatMap(([name, value]) => ['--env', `${name}=${value}`]),
        [this.container],
        bounded,
      ].flat(),
      settings,
    );
  }

  /** Resolves to `undefined` where there can be none, such as while the host is off. */
  #openChannel(): Promise<ExecChannel | undefined> {
    this.#channel = (this.#channel ?? Promise.resolve(undefined)).then((channel) =>
      channel?.isOpen === true ? channel : ExecChannel.open(this.container).catch(() => undefined),
    );
    return this.#channel;
  }

  async #closeChannel(): Promise<void> {
    const channel = this.#channel;
    this.#channel = undefined;
    (await channel)?.close();
  }

  /** As `exec`, but an exit status other than 0 rejects with what the command printed. Resolves to stdout. */
  async mustExec(argv: readonly string[], options: ExecOptions = {}): Promise<string> {
    const result = await this.exec(argv, options);
    if (result.code === 0) return result.stdout;
    throw new Error(
      `${this.name}: ${commandLine(argv)} ended with status ${result.code}\n${result.stdout}${result.stderr}`,
    );
  }

  /** Runs a bash script that a person might type; it must succeed. Resolves to stdout. */
  sh(script: string, options: ExecOptions = {}): Promise<string> {
    return this.mustExec(['bash', '-euo', 'pipefail', '-c', script], options);
  }

  /** Writes a file, and its folder where that is missing. `mode` is octal, 0644 unless told. */
  async writeFile(path: string, content: string | Uint8Array, mode = '0644'): Promise<void> {
    await this.mustExec(['install', '-D', '-m', mode, '/dev/stdin', path], { input: content });
  }

  readFile(path: string): Promise<string> {
    return this.mustExec(['cat', path]);
  }

  /** Copies a file or folder of the machine to the host, owned by root. Not into /run or another tmpfs. */
  async copyIn(localPath: string, path: string): Promise<void> {
    await docker(['cp', localPath, `${this.container}:${path}`]);
  }

  /** Pulls the network cable: the interface keeps its address, and nothing passes. */
  async cutOff(): Promise<void> {
    this.#cable ??= await cableOf(this.container);
    await mustRun(['ip', 'link', 'set', 'dev', this.#cable, 'down']);
  }

  async reconnect(): Promise<void> {
    if (this.#cable !== undefined) await mustRun(['ip', 'link', 'set', 'dev', this.#cable, 'up']);
  }

  /** Pulls the plug. The host stays off until `restart`. */
  async kill(): Promise<void> {
    await docker(['kill', '--signal', 'KILL', this.container]);
    await this.#closeChannel();
    this.#cable = undefined;
  }

  /** Shuts the host down as its power button would. */
  async stop(): Promise<void> {
    await this.#closeChannel();
    await docker(['stop', '--time', String(STOP_TIMEOUT_S), this.container]);
    this.#cable = undefined;
  }

  /** Reboots, or boots a host that is off, and waits until it has booted. */
  async restart(): Promise<void> {
    await this.#closeChannel();
    await docker(['restart', '--time', String(STOP_TIMEOUT_S), this.container]);
    this.#cable = undefined;
    await awaitBoot(this.container);
  }

  /** Leaves `free_kib` (0 unless told) free below a folder, however little it holds; see disk.ts. */
  fillDisk(path: string, options: { free_kib?: number } = {}): Promise<void> {
    return fillDisk(this, path, options.free_kib ?? 0);
  }

  freeDisk(path: string): Promise<void> {
    return freeDisk(this, path);
  }

  /** What is on the host now: to be compared with a later one by `diffSnapshots`. */
  snapshot(): Promise<Snapshot> {
    return takeSnapshot(this, this.#known);
  }

  /** Saves the host as an image to start others from. The host is shut down for it and stays off. */
  async bake(tag: string): Promise<string> {
    // An empty one makes every host that starts from the image draw its own.
    await this.writeFile('/etc/machine-id', '', '0444');
    await this.stop();
    await docker(['commit', ...IMAGE_CHANGES, this.container, tag], { timeout_ms: 300_000 });
    return tag;
  }

  async dispose(): Promise<void> {
    await this.#closeChannel();
    await tryDocker(['rm', '--force', '--volumes', this.container]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}
