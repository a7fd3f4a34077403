import { BlockList, isIP } from 'node:net';

/** What a host has reported about itself, as far as other hosts need it. */
export interface HostFacts {
  /** IPv4 and IPv6 addresses, without those of loopback, in the order of the interfaces. */
  readonly addresses: readonly string[];
}

const PRIVATE = new BlockList();
PRIVATE.addSubnet('10.0.0.0', 8);
PRIVATE.addSubnet('172.16.0.0', 12);
PRIVATE.addSubnet('192.168.0.0', 16);

/**
 * The address under which other hosts reach this one: of those that it reported, the first one inside `network`, or else
 * the first private IPv4 one, or else the first.
 */
export function chooseAddress(addresses: readonly string[], network: string | undefined): string | undefined {
  const usable = addresses.filter((address) => isIP(address) !== 0);
  if (network !== undefined) {
    const list = networkList(network);
    return usable.find((address) => list?.check(address, family(address)));
  }
  return usable.find((address) => isIP(address) === 4 && PRIVATE.check(address)) ?? usable[0];
}

/** `undefined` when the text is not `address/prefix`. */
export function networkList(network: string): BlockList | undefined {
  const [address = '', prefix = '', ...rest] = network.split('/');
  const version = isIP(address);
  if (rest.length > 0 || version === 0 || !/^\d{1,3}$/.test(prefix)) return undefined;
  if (Number(prefix) > (version === 4 ? 32 : 128)) return undefined;
  const list = new BlockList();
  list.addSubnet(address, Number(prefix), family(address));
  return list;
}

function family(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4';
}
