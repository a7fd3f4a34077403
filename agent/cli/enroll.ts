import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { parseDuration } from '../../desired-state/schema/values.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { CONFIG_PATHS, ConfigError, loadConfig } from '../daemon/config.ts';
import { command as tellDaemon } from '../daemon/control-client.ts';
import { enroll as enrollHost } from '../enroll/enroll.ts';
import { linuxFiles } from '../host/files/linux.ts';
import { defineCommand, EXIT, UsageError } from './command.ts';
import { reach } from './reach.ts';

/** The answer comes when the run has ended; that it was asked for is enough. */
const TOLD_MS = 300;

export const enroll = defineCommand({
  name: 'enroll --join-token-file FILE',
  summary:
    'Makes this machine a host of a controller: makes a key that never leaves it, and has it signed. Renewals come by themselves.',
  options: {
    'join-token-file': {
      type: 'string',
      value: 'FILE',
      help: 'holds what "holdfast token join" printed; "-" is stdin',
    },
    controller: { type: 'string', value: 'URL', help: 'such as https://192.168.33.10:8470; by default as configured' },
    host: {
      type: 'string',
      value: 'NAME',
      help: 'its name in the desired state; by default as configured, or the host name',
    },
    wait: {
      type: 'string',
      value: 'DURATION',
      help: 'how long to try while the controller cannot be reached, such as 3m',
    },
    again: { type: 'boolean', help: 'even where it is enrolled already' },
  },
  exitCodes: { 0: 'enrolled, now or before', 1: 'refused, or the controller cannot be reached', 64: 'wrong usage' },
  async run({ 'join-token-file': tokenFile, controller, host, again, wait = '0s' }) {
    if (tokenFile === undefined) throw new UsageError('enroll expects --join-token-file');
    if (!/^\d+(?:s|m|h)$/.test(wait)) throw new UsageError('--wait expects a duration such as 3m');
    const overrides = {
      ...(controller === undefined ? {} : { HOLDFAST_CONTROLLER: controller }),
      ...(host === undefined ? {} : { HOLDFAST_HOST: host }),
    };
    const [config, asConfigured] = await Promise.all([
      loadConfig({ ...process.env, ...overrides }),
      loadConfig(),
    ]).catch(usage);
    if (config.controller === undefined) throw new UsageError('enroll expects --controller: none is configured');
    const { identity, isNew } = await enrollHost({
      controller: config.controller,
      host: config.host,
      joinToken: readFileSync(tokenFile === '-' ? 0 : tokenFile, 'utf8'),
      stateDirectory: config.stateDirectory,
      files: linuxFiles(),
      agentVersion: packageJson.version,
      again: again === true,
      wait_ms: parseDuration(wait),
    });
    const until = new Date(identity.expires_ms).toISOString().slice(0, 10);
    process.stdout.write(
      isNew
        ? `enrolled as ${identity.host}; the certificate holds until ${until} and is renewed by itself\n`
        : `enrolled as ${identity.host} already, until ${until}: nothing to do (--again enrols anew)\n`,
    );
    await configure(config.controller, host, asConfigured);
    // A daemon that waits for its next try asks at once. Where none runs there is nobody to tell.
    if (isNew) await Promise.race([tellDaemon(reach, '/reconcile', {}).catch(() => undefined), delay(TOLD_MS)]);
    return EXIT.ok;
  },
});

function usage(error: unknown): never {
  throw error instanceof ConfigError ? new UsageError(error.message) : error;
}

/** Writes a configuration where there is none; one that says otherwise is a person's, and left alone. */
async function configure(
  controller: URL,
  host: string | undefined,
  known: { readonly controller: URL | undefined; readonly host: string },
): Promise<void> {
  const [path] = CONFIG_PATHS;
  const same = known.controller?.href === controller.href && (host === undefined || host === known.host);
  if (same) return;
  if (process.env['HOLDFAST_CONFIG'] !== undefined || CONFIG_PATHS.some((file) => existsSync(file))) {
    process.stderr.write(`holdfast-agent: the configuration in /etc/holdfast says otherwise; change it there, too\n`);
    return;
  }
  mkdirSync('/etc/holdfast', { recursive: true, mode: 0o755 });
  const text = `${JSON.stringify({ controller: controller.href, ...(host === undefined ? {} : { host }) }, null, 2)}\n`;
  await linuxFiles().write(path, text, { uid: 0, gid: 0, mode: 0o644 });
  process.stdout.write(`wrote ${path}; start the agent: systemctl enable --now holdfast-agent\n`);
}
