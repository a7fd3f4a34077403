import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { parseDuration } from '../desired-state/schema/values.ts';
import { isHostName } from './compile/names.ts';
import { type ForgeOptions, isForge, projectOf } from './git/forge.ts';
import { isDatabaseUrl } from './store/database-url.ts';

export interface ControllerOptions {
  /** `undefined`: the controller hosts it, and it is pushed to. */
  readonly repository: string | undefined;
  /** Only commits signed by one of its keys are taken; see `ssh-keygen(1)`. */
  readonly allowedSigners: string | undefined;
  readonly webhookSecretFile: string | undefined;
  /** Where commits are told what became of them. */
  readonly forge: ForgeOptions | undefined;
  readonly branch: string;
  readonly directory: string;
  readonly stateDirectory: string;
  readonly secrets: string | undefined;
  /** Identity file of age; `undefined`: one of its own in the state directory. */
  readonly ageKey: string | undefined;
  /** By which agents and operators reach the controller. */
  readonly names: readonly string[];
  readonly caCert: string | undefined;
  readonly caKey: string | undefined;
  readonly adminTokenFile: string | undefined;
  /** `postgres://…`; `undefined`, and no file either: SQLite in the state directory. */
  readonly databaseUrl: string | undefined;
  readonly databaseUrlFile: string | undefined;
  /** What the database seals secrets with; `undefined`: one of its own in the state directory. */
  readonly masterKeyFile: string | undefined;
  readonly keepHistory_ms: number;
  readonly host: string;
  readonly port: number;
  readonly poll_ms: number;
  readonly silentAfter_ms: number;
  /** So many requests are held on connections with TLS; see `bells.ts`. */
  readonly heldRequests: number;
  /** Where events and metrics of rollouts go. */
  readonly statsd: { readonly host: string; readonly port: number } | undefined;
  readonly logLevel: string;
}

/** The command line is wrong; the message says what was expected. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export const HELP = `Usage: holdfast-controller [options]

Serves to each host the manifest that the desired state in a git repository declares for it.

  --repository PATH|URL    the git repository that is followed (default: the controller hosts one of its own, which is
                           pushed to: https://CONTROLLER:8470/desired-state.git)
  --branch NAME            its branch (default: main)
  --directory PATH         where hosts/, roles/ and environments/ are in it (default: desired-state)
  --secrets FILE           map of names to secrets, YAML or JSON, mode 0600
  --age-key FILE           key that reads the secrets in git, as age-keygen makes it, mode 0600
                           (default: age.key in the state directory, made at the first start)
  --listen ADDRESS:PORT    where to listen, by https (default: 127.0.0.1:8470)
  --name NAME|ADDRESS      by which agents and operators reach it; once for each (default: this machine's own)
  --ca-cert FILE           the certificate authority that hosts are enrolled with, PEM, and
  --ca-key FILE            its key, mode 0600: for controllers that share one (default: made at the first start,
                           ca.crt and ca.key in the state directory)
  --admin-token-file FILE  the first token of an administrator: read where the file is there, written at the first
                           start where it is not (default: admin.token in the state directory)
  --allowed-signers FILE   take only commits that are signed by an SSH key of this file, see ssh-keygen(1)
  --webhook-secret-file FILE  what GitHub, GitLab or Gitea proves its webhooks with, mode 0600:
                           POST /v1/webhooks/github, /v1/webhooks/gitlab, /v1/webhooks/gitea
  --forge KIND             github, gitlab or gitea: tell it what became of each commit, with
  --forge-token-file FILE  a token of it that may set the status of commits, mode 0600
  --forge-url URL          its API, where it cannot be told from --repository
  --poll DURATION          how often to look at the repository (default: 10s); pushes to a repository on this
                           machine are seen at once
  --silent-after DURATION  a host that has not called for so long is called silent (default: 15m)
  --held-requests COUNT    so many agents wait for news on a connection with TLS, which takes 60 KB; the others wait at
                           a bell, which takes 8 KB and has their news a few milliseconds later (default: 2000)
  --database-url-file FILE the URL of a PostgreSQL database, mode 0600: any number of controllers share it (or the
                           variable DATABASE_URL; default: controller.db in the state directory, for one controller)
  --master-key-file FILE   what the database seals secrets with, mode 0600, the same for all controllers of a database
                           (default: master.key in the state directory, made at the first start)
  --keep-history DURATION  how long runs, rollouts and revisions are kept (default: 90d)
  --statsd ADDRESS:PORT    DogStatsD server that is told of rollouts, such as 127.0.0.1:8125
  --state-directory PATH   (default: $STATE_DIRECTORY, or /var/lib/holdfast-controller)
  --log-level LEVEL        trace, debug, info, warn, error (default: info)
  --help                   this text

Exit status: 0 after SIGTERM or SIGINT, 1 when it cannot start, 2 for a wrong command line.
`;

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error'];

/** `help` when that was asked for. Throws `UsageError`. */
export function parseOptions(args: readonly string[], env: NodeJS.ProcessEnv): ControllerOptions | 'help' {
  const values = parse(args);
  if (values.help === true) return 'help';
  const { repository } = values;
  if (repository === '' || repository?.startsWith('-') === true)
    throw new UsageError('--repository expects a path or URL');
  if (!/^(?!-)(?!.*\.\.)[\w./-]+$/.test(values.branch)) throw new UsageError('--branch expects the name of a branch');
  const { host, port } = parseAddress('--listen', values.listen);
  const caCert = values['ca-cert'];
  const caKey = values['ca-key'];
  if ((caCert === undefined) !== (caKey === undefined)) throw new UsageError('--ca-cert and --ca-key go together');
  for (const name of values.name) {
    if (isIP(name) === 0 && !isHostName(name)) {
      throw new UsageError(`--name expects a host name or an address, such as holdfast.example.com; got "${name}"`);
    }
  }
  if (!LEVELS.includes(values['log-level'])) throw new UsageError(`--log-level expects one of ${LEVELS.join(', ')}`);
  return {
    repository: repository !== undefined && isPath(repository) ? resolve(repository) : repository,
    allowedSigners: inFull(values['allowed-signers']),
    webhookSecretFile: values['webhook-secret-file'],
    forge: forgeOf(values, repository),
    branch: values.branch,
    directory: values.directory,
    stateDirectory: resolve(values['state-directory'] ?? env['STATE_DIRECTORY'] ?? '/var/lib/holdfast-controller'),
    secrets: values.secrets,
    ageKey: values['age-key'],
    names: values.name,
    caCert,
    caKey,
    adminTokenFile: values['admin-token-file'],
    databaseUrl: databaseUrl(env['DATABASE_URL']),
    databaseUrlFile: values['database-url-file'],
    masterKeyFile: values['master-key-file'],
    keepHistory_ms: duration('--keep-history', values['keep-history'], 3_600_000),
    host,
    port,
    poll_ms: duration('--poll', values.poll, 1000),
    silentAfter_ms: duration('--silent-after', values['silent-after'], 1000),
    heldRequests: count('--held-requests', values['held-requests']),
    statsd: values.statsd === undefined ? undefined : parseAddress('--statsd', values.statsd),
    logLevel: values['log-level'],
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      strict: true,
      allowPositionals: false,
      options: {
        repository: { type: 'string' },
        branch: { type: 'string', default: 'main' },
        'allowed-signers': { type: 'string' },
        'webhook-secret-file': { type: 'string' },
        forge: { type: 'string' },
        'forge-token-file': { type: 'string' },
        'forge-url': { type: 'string' },
        directory: { type: 'string', default: 'desired-state' },
        secrets: { type: 'string' },
        'age-key': { type: 'string' },
        listen: { type: 'string', default: '127.0.0.1:8470' },
        name: { type: 'string', multiple: true, default: [] },
        'ca-cert': { type: 'string' },
        'ca-key': { type: 'string' },
        'admin-token-file': { type: 'string' },
        poll: { type: 'string', default: '10s' },
        'silent-after': { type: 'string', default: '15m' },
        'held-requests': { type: 'string', default: '2000' },
        'database-url-file': { type: 'string' },
        'master-key-file': { type: 'string' },
        'keep-history': { type: 'string', default: '90d' },
        statsd: { type: 'string' },
        'state-directory': { type: 'string' },
        'log-level': { type: 'string', default: 'info' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** Git is told of it, and git is somewhere else. */
function inFull(path: string | undefined): string | undefined {
  return path === undefined ? undefined : resolve(path);
}

function forgeOf(values: ReturnType<typeof parse>, repository: string | undefined): ForgeOptions | undefined {
  const { forge: kind, 'forge-token-file': tokenFile, 'forge-url': url } = values;
  if (kind === undefined && tokenFile === undefined && url === undefined) return undefined;
  if (kind === undefined || !isForge(kind)) throw new UsageError('--forge expects github, gitlab or gitea');
  if (tokenFile === undefined) throw new UsageError('--forge goes with --forge-token-file');
  if (repository === undefined) throw new UsageError('--forge goes with --repository, which it is the forge of');
  const project = projectOf(kind, repository, url);
  if (project === undefined) {
    throw new UsageError(
      '--repository does not tell which project of the forge it is: expected https://HOST/OWNER/NAME.git',
    );
  }
  return { ...project, tokenFile };
}

/** The message does not quote the URL, in which a password may stand. */
function databaseUrl(text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined;
  if (!isDatabaseUrl(text)) throw new UsageError('DATABASE_URL expects postgres://USER:PASSWORD@HOST/DATABASE');
  return text;
}

function parseAddress(option: string, text: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+)):(\d{1,5})$/i.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || (host !== 'localhost' && isIP(host) === 0) || port > 65_535) {
    throw new UsageError(`${option} expects ADDRESS:PORT, such as 127.0.0.1:8470 or [::]:8470`);
  }
  return { host, port };
}

/** Anything but `scheme://…` and `user@host:path` is a path. */
function isPath(repository: string): boolean {
  return !/^[\w+.-]+:\/\//.test(repository) && !/^[^/:]+:/.test(repository);
}

function count(option: string, text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new UsageError(`${option} expects a number such as 2000`);
  return Number(text);
}

function duration(option: string, text: string, least_ms: number): number {
  const value_ms = /^\d+(?:ms|s|m|h|d)$/.test(text) ? parseDuration(text) : Number.NaN;
  if (!(value_ms >= least_ms)) throw new UsageError(`${option} expects a duration such as "10s" or "15m"`);
  return value_ms;
}
