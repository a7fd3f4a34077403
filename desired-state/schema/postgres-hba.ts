import * as v from 'valibot';
import { takesAddresses } from './values.ts';

/** One entry of `pg_hba.conf`. */

const TYPES = ['local', 'host', 'hostssl', 'hostnossl', 'hostgssenc', 'hostnogssenc'] as const;
const METHODS = 'trust reject scram-sha-256 md5 password gss sspi ident peer pam bsd ldap radius cert'.split(' ');

const PLAIN = /^[^\s"#,\\]+$/;
const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|(?=$|\/))){4}(?:\/(?:3[0-2]|[12]?\d))?$/;
const IPV6 = /^(?=.*:)[0-9a-fA-F:.]{2,45}(?:\/(?:12[0-8]|1[01]\d|\d{1,2}))?$/;
const HOST_NAME = /^\.?[A-Za-z_](?:[\w-]*\w)?(?:\.[\w-]+)*$/;

/** `all`, `sameuser`, `replication` … keep their meaning; a name that is also such a word is written with double quotes in it. */
const names = v.pipe(
  v.union([v.string(), v.array(v.string())], 'expected a name or a list of names'),
  v.transform((input) => (typeof input === 'string' ? [input] : input)),
  v.minLength(1, 'expected at least one name'),
  v.check(
    (input) => input.every((name) => name !== '' && !/[\n\0]/.test(name)),
    'expected names without line ends that are not empty',
  ),
);

const address = v.pipe(
  v.string('expected an address'),
  v.check(
    (text) => IPV4.test(text) || IPV6.test(text) || HOST_NAME.test(text),
    'expected an address such as 192.168.33.15, a network such as 10.0.0.0/8, a host name, all, samehost or samenet',
  ),
  takesAddresses(),
);

const optionValue = v.pipe(
  v.union([v.string(), v.number(), v.boolean()], 'expected text, a number, true or false'),
  v.transform((value) => (typeof value === 'boolean' ? Number(value).toString() : String(value))),
  v.check((text) => !/["\n\0]/.test(text), 'expected a value without double quotes and line ends'),
);

export const hbaEntry = v.pipe(
  v.strictObject({
    type: v.pipe(
      v.optional(v.picklist(TYPES, `expected one of ${TYPES.join(', ')}`), 'host'),
      v.description('`local` for the unix socket, `host` for TCP, `hostssl` for TCP with TLS alone'),
    ),
    database: v.pipe(v.optional(names, 'all'), v.description('Database names, `all`, `sameuser`, `replication` …')),
    user: v.pipe(v.optional(names, 'all'), v.description('Role names, `all`, or `+role` for the members of a role')),
    from: v.pipe(
      v.optional(
        v.pipe(
          v.union([address, v.array(address)], 'expected an address or a list of addresses'),
          takesAddresses(),
          v.transform((input) => (typeof input === 'string' ? [input] : input)),
        ),
      ),
      v.description('Addresses, networks or a reference such as `hosts.web`; each becomes a line'),
    ),
    method: v.pipe(
      v.picklist(METHODS, `expected one of ${METHODS.join(', ')}`),
      v.description('How the client proves who it is'),
    ),
    options: v.pipe(
      v.optional(v.record(v.pipe(v.string(), v.regex(PLAIN, 'expected an option name')), optionValue), {}),
      v.description('Options of the method, such as `{ map: admins }`'),
    ),
  }),
  v.check((entry) => entry.type !== 'local' || entry.from === undefined, 'a local entry has no "from"'),
  v.check((entry) => entry.type === 'local' || entry.from !== undefined, 'expected "from": who may connect'),
  v.check((entry) => entry.method !== 'peer' || entry.type === 'local', 'method peer is for type local alone'),
  v.check(
    (entry) => !entry.method.startsWith('cert') || entry.type === 'hostssl',
    'method cert is for type hostssl alone',
  ),
);

export type HbaEntry = v.InferOutput<typeof hbaEntry>;

export const hba = v.pipe(
  v.array(hbaEntry, 'expected a list of entries'),
  v.check(
    (entries) => !entries.some(locksAgentOut),
    'this keeps the agent out: it is the operating-system user postgres and connects with `local all postgres peer`',
  ),
);

function locksAgentOut(entry: HbaEntry): boolean {
  const forAgent = entry.type === 'local' && entry.user.includes('postgres') && reachesMaintenance(entry);
  return forAgent && (!['peer', 'trust'].includes(entry.method) || entry.options['map'] !== undefined);
}

function reachesMaintenance(entry: HbaEntry): boolean {
  return entry.database.includes('all') || entry.database.includes('postgres');
}
