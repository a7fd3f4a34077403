import { existsSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { extname } from 'node:path';
import * as v from 'valibot';
import { runDirectory, stateDirectory } from '../paths.ts';

/** What this machine knows without a manifest: who it is and where its controller is. */
export interface AgentConfig {
  /** The name by which the controller knows this host. */
  readonly host: string;
  /** Absent: there is no controller, and the manifest on disk is all there is. */
  readonly controller: URL | undefined;
  /** `auto`: when the manifest names a server elsewhere, or the Datadog Agent is installed. */
  readonly statsd: 'auto' | 'on' | 'off';
  readonly stateDirectory: string;
  readonly runDirectory: string;
}

/** The configuration file is wrong: nothing but a person can mend it. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

export const CONFIG_PATHS = ['/etc/holdfast/agent.json', '/etc/holdfast/agent.yaml'] as const;

const MAX_HOST_CHARACTERS = 253;
const fileSchema = v.strictObject({
  controller: v.optional(
    v.pipe(
      v.string('expected a URL such as "https://controller.example:8443"'),
      v.regex(/^https:\/\/[^/]/, 'expected a URL such as "https://controller.example:8443"'),
      v.url('expected a URL such as "https://controller.example:8443"'),
    ),
  ),
  host: v.optional(
    v.pipe(
      v.string('expected a host name'),
      v.maxLength(MAX_HOST_CHARACTERS, 'expected a host name'),
      v.regex(/^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$/i, 'expected a host name of letters, digits, ".", "_" and "-"'),
    ),
  ),
  statsd: v.optional(v.picklist(['auto', 'on', 'off'], 'expected "auto", "on" or "off"')),
});

const KEYS = Object.keys(fileSchema.entries).join(', ');

/** `HOLDFAST_CONTROLLER` overrides `controller`, `HOLDFAST_HOST` overrides `host`, and so on. Throws `ConfigError`. */
export async function loadConfig(env: NodeJS.ProcessEnv = process.env): Promise<AgentConfig> {
  const file = env['HOLDFAST_CONFIG'] ?? existing();
  const written = file === undefined ? {} : await readConfig(file);
  const overrides = Object.keys(fileSchema.entries).flatMap((key) => {
    const value = env[`HOLDFAST_${key.replaceAll(/[A-Z]/g, '_$&').toUpperCase()}`];
    return value === undefined || value === '' ? [] : [[key, value] as const];
  });
  const origin = file === undefined ? 'the environment' : file;
  const { controller, host, statsd } = check({ ...written, ...Object.fromEntries(overrides) }, origin);
  return {
    host: host ?? hostname(),
    controller: controller === undefined ? undefined : new URL(controller),
    statsd: statsd ?? 'auto',
    stateDirectory,
    runDirectory,
  };
}

function existing(): string | undefined {
  const found = CONFIG_PATHS.filter((candidate) => existsSync(candidate));
  if (found.length > 1) throw new ConfigError(`both ${found.join(' and ')} are there: remove one of them`);
  return found[0];
}

async function readConfig(file: string): Promise<Readonly<Record<string, unknown>>> {
  let content: unknown;
  try {
    const text = readFileSync(file, 'utf8');
    content = extname(file) === '.json' ? JSON.parse(text) : (await import('yaml')).parse(text);
  } catch (error) {
    throw new ConfigError(`${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (content === null || content === undefined) return {};
  if (typeof content !== 'object' || Array.isArray(content)) {
    throw new ConfigError(`${file}: expected a map of keys (${KEYS})`);
  }
  return { ...content };
}

function check(input: Readonly<Record<string, unknown>>, origin: string): v.InferOutput<typeof fileSchema> {
  const parsed = v.safeParse(fileSchema, input);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  const key = v.getDotPath(issue) ?? '';
  const known = Object.hasOwn(fileSchema.entries, key);
  throw new ConfigError(`${origin}: ${key}: ${known ? issue.message : `unknown key, expected one of ${KEYS}`}`);
}
