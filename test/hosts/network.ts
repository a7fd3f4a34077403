/** Private networks for hosts: no way out to the internet, an address of its own for every host. */
import { randomInt } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { docker, tryDocker } from './docker.ts';
import { type Gateway, openGateway } from './gateway.ts';
import { OWN_TOKEN, OWNER_LABEL } from './owner.ts';
import { sweepOnce } from './sweep.ts';

const FIRST_HOST = 10;
const LAST_HOST = 250;
const SUBNET_TRIES = 50;

export class TestNetwork {
  readonly name: string;
  /** First three octets, as `10.77.3`. */
  readonly prefix: string;
  readonly #gateway: Gateway;
  #next = FIRST_HOST;

  constructor(options: { name: string; prefix: string; gateway: Gateway }) {
    this.name = options.name;
    this.prefix = options.prefix;
    this.#gateway = options.gateway;
  }

  /** The machine's own address on it; see gateway.ts for what answers there. */
  get gatewayAddress(): string {
    return `${this.prefix}.1`;
  }

  /** An address that no host of this network had yet. */
  takeAddress(): string {
    if (this.#next > LAST_HOST) throw new Error(`network ${this.name} has no address left`);
    return `${this.prefix}.${this.#next++}`;
  }

  async dispose(): Promise<void> {
    this.#gateway.close();
    await tryDocker(['network', 'rm', this.name]);
  }
}

/** Creates a network on a free /24 of 10.64.0.0/10, from which the machine is reached but nothing beyond it. */
export async function createNetwork(): Promise<TestNetwork> {
  await sweepOnce();
  for (let attempt = 0; attempt < SUBNET_TRIES; attempt++) {
    const prefix = `10.${randomInt(64, 128)}.${randomInt(256)}`;
    const name = `holdfast-test-${prefix.replaceAll('.', '-')}`;
    const range = ['--subnet', `${prefix}.0/24`, '--gateway', `${prefix}.1`];
    const label = ['--label', `${OWNER_LABEL}=${OWN_TOKEN}`];
    const result = await tryDocker(['network', 'create', '--internal', ...label, ...range, name]);
    if (result.code === 0) {
      return new TestNetwork({ name, prefix, gateway: await openGateway(`${prefix}.1`) });
    }
    // Another network has this range or this name: draw again. Anything else will not mend itself.
    if (!/overlap|already exists/i.test(result.stderr)) throw new Error(`cannot create a network: ${result.stderr}`);
  }
  throw new Error(`no free /24 was found in 10.64.0.0/10 in ${SUBNET_TRIES} tries; see: docker network ls`);
}

let shared: Promise<TestNetwork> | undefined;

/** The network that all hosts of this process are on unless they ask for another. */
export function sharedNetwork(): Promise<TestNetwork> {
  shared ??= createNetwork();
  return shared;
}

/** The machine's end of a container's network cable, as `veth1a2b3c4`. */
export async function cableOf(container: string): Promise<string> {
  const peer = await docker(['exec', container, 'cat', '/sys/class/net/eth0/iflink']);
  for (const device of await readdir('/sys/class/net')) {
    const index = await readFile(`/sys/class/net/${device}/ifindex`, 'utf8').catch(() => '');
    if (index.trim() === peer) return device;
  }
  throw new Error(`no network device of this machine is the cable of ${container} (ifindex ${peer})`);
}
