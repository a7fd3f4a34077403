/** `npm run cloud-init -- OPTIONS`: the user data that makes a blank cloud machine a host of Holdfast. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import mustache from 'mustache';

const USAGE = `usage: npm run --silent cloud-init -- --host NAME --controller URL --package URL --sha256 HEX
                                     --join-token-file FILE [--ca-file FILE]

Prints cloud-init user data, which holds the join token: send it to a file that only you can read (umask 077).
Make the token for this host alone, and for as long as the machine may take to come up: holdfast token join --host NAME.

  --host NAME          the host in the desired state, such as do-web-1
  --controller URL     such as https://10.114.0.2:8470
  --package URL        where the machine fetches the agent's package (npm run package builds it)
  --sha256 HEX         its checksum: the first word of the .sha256 file beside it
  --join-token-file FILE
                       what "holdfast token join" printed
  --ca-file FILE       PEM of the authority of the package URL, where machines do not trust that by themselves
`;

/** What may stand between double quotes in YAML as it is. */
const PLAIN = {
  host: /^[A-Za-z0-9][A-Za-z0-9._-]*$/,
  controller: /^https:\/\/[\w.:[\]-]+(?:\/[\w./-]*)?$/,
  package: /^https?:\/\/[\w.:[\]@%+~/-]+$/,
  sha256: /^[0-9a-f]{64}$/,
} as const;

export interface UserDataOptions {
  readonly host: string;
  readonly controller: string;
  readonly package: string;
  readonly sha256: string;
  readonly token: string;
  readonly ca?: string | undefined;
}

/** Throws with the first option that is wrong. */
export function userData(options: UserDataOptions): string {
  for (const name of ['host', 'controller', 'package', 'sha256'] as const) {
    if (!PLAIN[name].test(options[name])) throw new TypeError(`--${name}: unexpected value "${options[name]}"`);
  }
  if (options.ca !== undefined && !options.ca.includes('BEGIN CERTIFICATE'))
    throw new TypeError('--ca-file: no PEM certificate');
  const read = (name: string): string => readFileSync(join(import.meta.dirname, name), 'utf8');
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  return mustache.render(
    read('cloud-init/user-data.yaml.mustache'),
    {
      ...options,
      token_base64: base64(options.token),
      ca: options.ca !== undefined && { ca_base64: base64(options.ca) },
      install_base64: gzipSync(read('install.sh')).toString('base64'),
    },
    {},
    { escape: String },
  );
}

function main(): number {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    options: {
      host: text,
      controller: text,
      package: text,
      sha256: text,
      'join-token-file': text,
      'ca-file': text,
      help: { type: 'boolean' },
    },
  });
  const { host, controller, package: url, sha256, 'join-token-file': tokenFile, 'ca-file': caFile, help } = values;
  const complete = host && controller && url && sha256 && tokenFile;
  if (help === true || !complete) {
    (help === true ? process.stdout : process.stderr).write(USAGE);
    return help === true ? 0 : 2;
  }
  const token = readFileSync(tokenFile, 'utf8');
  const ca = caFile === undefined ? undefined : readFileSync(caFile, 'utf8');
  process.stdout.write(userData({ host, controller, package: url, sha256, token, ca }));
  return 0;
}

if (import.meta.main) {
  try {
    process.exitCode = main();
  } catch (error) {
    process.stderr.write(`cloud-init: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 2;
  }
}
