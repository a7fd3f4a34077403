import { reveal } from '../../../desired-state/schema/secret.ts';
import type { Owners } from './diff.ts';
import { TREE } from './layout.ts';

export interface Refusal {
  readonly message: string;
  /** A new revision is needed: no retry makes a syntax error right. */
  readonly permanent: boolean;
}

/** Turns what `nginx -t` wrote into a message that names the site, its line and what to do. Pure. */
export function explainRefusal(stderr: string, owners: Owners): Refusal {
  const problems = emergencies(stderr);
  const [first] = problems;
  if (first === undefined) return { message: `nginx refuses the configuration: ${stderr.trim()}`, permanent: false };
  const { text, path, line } = first;
  const inside = path?.startsWith(`${TREE}/`) === true ? path.slice(TREE.length + 1) : undefined;
  const owner = inside === undefined ? ownerByQuotedPath(text, owners) : owners.get(inside)?.owner;
  const place = inside ?? path;
  const where = place === undefined ? '' : ` (${place}:${line})`;
  if (owner === undefined && place !== undefined) {
    return {
      message: `${place} is not declared here and nginx refuses it: ${text}${where}${hintFor(text)}. ${FOREIGN_HINT}`,
      permanent: false,
    };
  }
  const who = owner ?? 'the configuration';
  return {
    message: `nginx refuses ${who}: ${text}${where}${hintFor(text)}`,
    permanent: owner !== undefined && SYNTAX.test(text),
  };
}

const FOREIGN_HINT =
  'Until it is mended or removed no change of nginx can take effect; "purge: true" removes undeclared sites';

/** Complaints about the text of the file itself, and not about something around it. */
const SYNTAX =
  /^(?:unknown directive|unexpected|directive ".*" is not terminated|invalid (?:number of arguments|value|parameter)|".*" directive (?:is duplicate|is not allowed here|invalid)|invalid port|duplicate)/;

interface Problem {
  readonly text: string;
  readonly path?: string;
  readonly line?: string;
}

/** The `[emerg]` lines of nginx, split into text and place: `… in /etc/nginx/sites-enabled/todo:3`. */
export function emergencies(output: string): readonly Problem[] {
  return output.split('\n').flatMap((line) => {
    const message = /\[(?:emerg|alert|crit)\](?: \d+#\d+:)? (.*)$/.exec(line)?.[1];
    if (message === undefined) return [];
    const place = /^(.*) in (\/\S+):(\d+)$/.exec(message);
    const [, text, path, number] = place ?? [];
    return [
      text === undefined || path === undefined || number === undefined
        ? { text: message }
        : { text, path, line: number },
    ];
  });
}

/** A certificate's problem comes without a place, but with its path: whose file names that path? */
function ownerByQuotedPath(text: string, owners: Owners): string | undefined {
  const quoted = [...text.matchAll(/"(\/[^"]+)"/g)].map((match) => match[1] ?? '');
  for (const { owner, content } of owners.values()) {
    if (content !== undefined && quoted.some((path) => reveal(content).includes(path))) return owner;
  }
  return undefined;
}

/** `nginx.conf` above all, which nobody has to declare. */
const isMissing = (text: string): boolean => text.startsWith(`open() "${TREE}/`) && text.includes('" failed (2:');
const MISSING_HINT =
  '; where it came with the package: apt-get install --reinstall -o Dpkg::Options::=--force-confmiss nginx-common';

function hintFor(text: string): string {
  if (isMissing(text)) return MISSING_HINT;
  if (text.includes('key values mismatch')) return '; the certificate and the key do not belong together';
  if (text.startsWith('host not found in upstream')) return '; the name does not resolve on this host';
  if (text.startsWith('cannot load certificate')) return '; declare it under "certificates", or mend its path';
  return '';
}
