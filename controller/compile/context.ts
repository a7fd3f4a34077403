import type { Inventory, InventoryHost } from './inventory.ts';
import type { Located, LocatedMap } from './located.ts';
import { BROKEN, type Names, Pending } from './lookup.ts';
import { type KnownSecrets, UnknownSecret } from './sealed.ts';
import { secretVersion } from './version.ts';

/** What templates of a host may name: `host`, `hosts`, `environment`, `vars`, `secret` and `version`. */
export interface Context {
  readonly host: unknown;
  readonly hosts: Names;
  readonly environment: string;
  readonly vars: Names;
  readonly secret: Names;
  /** Of each secret a short name that changes with its text, see `secretVersion`. */
  readonly version: Names;
}

export interface ContextOptions {
  readonly host: InventoryHost;
  /** See `hostsOfEnvironment`. */
  readonly hosts: Names;
  readonly secrets: KnownSecrets;
  readonly versionKey: Buffer;
  /** Gets the names of the hosts whose address is asked for. */
  readonly asked: Set<string>;
  /** Works out a value of `vars:`, which may itself be a template. */
  readonly evaluate: (value: Located) => unknown;
  /** Tells that a variable needs itself. */
  readonly cycle: (value: Located, name: string) => void;
}

export function buildContext(options: ContextOptions): Context {
  const { host, hosts } = options;
  return {
    host: withAddress({ name: host.name, environment: host.environment, roles: host.roles }, host, options.asked),
    hosts,
    environment: host.environment,
    vars: variables(options),
    secret: secretNames(options.secrets),
    version: versionNames(options.secrets, options.versionKey),
  };
}

/** `hosts.<role>` and `hosts.all`: hosts of one environment, in the order of their names. The same for all of its hosts. */
export function hostsOfEnvironment(environment: string, inventory: Inventory, asked: Set<string>): Names {
  const near = inventory.hosts.filter((one) => one.environment === environment);
  const shown = near.map((host) => ({ roles: host.roles, shown: withAddress({ name: host.name }, host, asked) }));
  const byRole = new Map<string, readonly unknown[]>([['all', shown.map((one) => one.shown)]]);
  for (const role of inventory.roles) {
    const members = shown.filter((one) => one.roles.includes(role));
    byRole.set(
      role,
      members.map((one) => one.shown),
    );
  }
  return { names: () => byRole.keys(), get: (role) => byRole.get(role) };
}

/** Most addresses are of no interest to any manifest: who asks for one is noticed. */
function withAddress(shown: object, { name, address }: InventoryHost, asked: Set<string>): object {
  const get = (): unknown => {
    asked.add(name);
    return address;
  };
  return Object.defineProperty(shown, 'address', { get, enumerable: true });
}

/** The addresses of a role's hosts; pending as long as one of them is unknown, since a list without it would lock it out. */
export function addressesOf(hosts: Names, role: string): readonly string[] | Pending | undefined {
  const found = hosts.get(role);
  if (!Array.isArray(found)) return undefined;
  const addresses: readonly unknown[] = found.map((host: { readonly address: unknown }) => host.address);
  return addresses.find((address) => address instanceof Pending) ?? addresses.filter((one) => typeof one === 'string');
}

/** Variables are worked out when first named, so that one may name another, in any order. */
function variables({ host, evaluate, cycle }: ContextOptions): Names {
  const map = host.merged.entries.get('vars')?.value;
  if (map?.type !== 'map') return { names: () => [], get: () => undefined };
  return lazyMap(map, evaluate, cycle);
}

export function lazyMap(
  map: LocatedMap,
  evaluate: (value: Located) => unknown,
  cycle: (value: Located, name: string) => void,
): Names {
  const done = new Map<string, unknown>();
  const running = new Set<string>();
  return {
    names: () => map.entries.keys(),
    get: (name) => {
      const value = map.entries.get(name)?.value;
      if (value === undefined || done.has(name)) return done.get(name);
      if (running.has(name)) {
        cycle(value, name);
        return BROKEN;
      }
      running.add(name);
      const result = value.type === 'map' ? lazyMap(value, evaluate, cycle) : evaluate(value);
      running.delete(name);
      done.set(name, result);
      return result;
    },
  };
}

function secretNames(secrets: KnownSecrets): Names {
  return { names: () => secrets.names ?? [], get: (name) => secrets.get(name) };
}

function versionNames(secrets: KnownSecrets, key: Buffer): Names {
  return {
    names: () => secrets.names ?? [],
    get: (name) => {
      const secret = secrets.get(name);
      if (secret === undefined || secret instanceof UnknownSecret) return secret && UNKNOWN_VERSION;
      return secretVersion(name, secret, key);
    },
  };
}

const UNKNOWN_VERSION = '00000000';
