/** Addresses in one spelling, so that a netmask, a prefix and a long IPv6 address compare by what they mean. Pure. */

/** Of a netmask such as 255.255.255.0 or ffff::; `undefined` for anything else. */
export function prefixOf(mask: string): number | undefined {
  const bits = bitsOf(mask);
  if (bits === undefined) return undefined;
  const zero = bits.indexOf('0');
  const ones = zero === -1 ? bits.length : zero;
  return bits.slice(ones).includes('1') ? undefined : ones;
}

/** `10.0.0.1` is `10.0.0.1/32`; the bits behind the prefix do not count; names stay. */
export function normalAddress(text: string): string {
  const [address = '', prefix] = text.split('/');
  const bits = bitsOf(address);
  if (bits === undefined) return text;
  const length = prefix === undefined ? bits.length : Number(prefix);
  const masked = bits.slice(0, length).padEnd(bits.length, '0');
  return `${addressOf(masked)}/${length}`;
}

function bitsOf(address: string): string | undefined {
  if (/^\d+(?:\.\d+){3}$/.test(address)) {
    return address
      .split('.')
      .map((byte) => Number(byte).toString(2).padStart(8, '0'))
      .join('');
  }
  return address.includes(':') ? bitsOfIpv6(address) : undefined;
}

function bitsOfIpv6(address: string): string | undefined {
  const dotted = /(?:\d+\.){3}\d+$/.exec(address)?.[0];
  const tail = dotted === undefined ? '' : (bitsOf(dotted) ?? '');
  const text = dotted === undefined ? address : address.slice(0, -dotted.length).replace(/([^:]):$/, '$1');
  const [head = '', rest] = text.split('::');
  const bits = (part: string) =>
    part
      .split(':')
      .filter((group) => group !== '')
      .map((group) => Number.parseInt(group, 16).toString(2).padStart(16, '0'))
      .join('');
  const left = bits(head);
  const right = bits(rest ?? '') + tail;
  const gap = 128 - left.length - right.length;
  if (gap < 0 || (rest === undefined && gap !== 0) || left.includes('N') || right.includes('N')) return undefined;
  return left + '0'.repeat(gap) + right;
}

/** IPv6 in one spelling: the longest run of zero groups as `::`. */
function addressOf(bits: string): string {
  if (bits.length === 32) return (bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)).join('.');
  const groups = (bits.match(/.{16}/g) ?? []).map((group) => Number.parseInt(group, 2).toString(16)).join(':');
  const runs = groups.match(/(?:\b0(?::|$))+/g) ?? [];
  const longest = runs.sort((a, b) => b.length - a.length)[0];
  if (longest === undefined || longest.length < 3) return groups;
  const at = groups.indexOf(longest);
  return `${groups.slice(0, at).replace(/:$/, '')}::${groups.slice(at + longest.length)}`;
}
