/**
 * Versions as Debian policy 5.6.12 compares them. Pure. Negative: `a` is older than `b`.
 */
export function compareVersions(a: string, b: string): number {
  const left = split(a);
  const right = split(b);
  return (
    left.epoch - right.epoch ||
    compareParts(left.upstream, right.upstream) ||
    compareParts(left.revision, right.revision)
  );
}

function split(version: string): { epoch: number; upstream: string; revision: string } {
  const colon = version.indexOf(':');
  const rest = version.slice(colon + 1);
  const dash = rest.lastIndexOf('-');
  return {
    epoch: colon === -1 ? 0 : Number(version.slice(0, colon)),
    upstream: dash === -1 ? rest : rest.slice(0, dash),
    revision: dash === -1 ? '' : rest.slice(dash + 1),
  };
}

/** In turn a run of non-digits, by `weight`, and a run of digits, as a number. */
function compareParts(a: string, b: string): number {
  const left = a.match(/\D+|\d+/g) ?? [];
  const right = b.match(/\D+|\d+/g) ?? [];
  let i = 0;
  let j = 0;
  while (i < left.length || j < right.length) {
    const leftText = isText(left[i]) ? (left[i++] ?? '') : '';
    const rightText = isText(right[j]) ? (right[j++] ?? '') : '';
    const byText = compareText(leftText, rightText);
    if (byText !== 0) return byText;
    const leftDigits = left[i++] ?? '0';
    const rightDigits = right[j++] ?? '0';
    const byNumber = compareDigits(leftDigits, rightDigits);
    if (byNumber !== 0) return byNumber;
  }
  return 0;
}

function isText(part: string | undefined): boolean {
  return part !== undefined && /^\D/.test(part);
}

function compareText(a: string, b: string): number {
  for (let index = 0; index < Math.max(a.length, b.length); index += 1) {
    const difference = weight(a[index]) - weight(b[index]);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** `~` before the end, the end before letters, letters before everything else. */
function weight(character: string | undefined): number {
  if (character === undefined) return 0;
  if (character === '~') return -1;
  const code = character.charCodeAt(0);
  return /[A-Za-z]/.test(character) ? code : code + 256;
}

function compareDigits(a: string, b: string): number {
  const left = a.replace(/^0+/, '');
  const right = b.replace(/^0+/, '');
  return left.length - right.length || (left < right ? -1 : left > right ? 1 : 0);
}

/** Whether a version satisfies `1.22.1-9`, `1.22.*` or `>= 1.20, < 1.24`, which the schema has checked. */
export function matchesVersion(version: string, pattern: string): boolean {
  if (!/^[<>=]/.test(pattern)) return globToRegExp(pattern).test(version);
  return pattern.split(',').every((part) => {
    const [, operator = '', bound = ''] = /^\s*([<>=]+) *(\S+)/.exec(part) ?? [];
    const order = compareVersions(version, bound);
    switch (operator) {
      case '>=':
        return order >= 0;
      case '<=':
        return order <= 0;
      case '>':
      case '>>':
        return order > 0;
      case '<':
      case '<<':
        return order < 0;
      default:
        return order === 0;
    }
  });
}

function globToRegExp(pattern: string): RegExp {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replace(/\*/g, '.*')
    .replace(/\?/g, '.');
  return new RegExp(`^${source}$`);
}
