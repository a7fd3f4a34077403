import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as v from 'valibot';
import { describe } from '../../../agent/resources/postgres/describe.ts';
import { diff } from '../../../agent/resources/postgres/diff.ts';
import type { RoleFact } from '../../../agent/resources/postgres/facts.ts';
import type { ServerFacts, ServerState, Spec, State } from '../../../agent/resources/postgres/state.ts';
import { postgres } from '../../../desired-state/schema/postgres.ts';
import { Secret } from '../../../desired-state/schema/secret.ts';

const cluster = {
  version: '15',
  name: 'main',
  configDirectory: '/etc/postgresql/15/main',
  dataDirectory: '/var/lib/postgresql/15/main',
  hbaFile: '/etc/postgresql/15/main/pg_hba.conf',
  binaries: '/usr/lib/postgresql/15/bin',
  port: 5432,
  socketDirectory: '/var/run/postgresql',
  unit: 'postgresql@15-main.service',
};

const EMPTY: ServerFacts = {
  state: 'ready',
  version: 150_000,
  recovery: false,
  loaded_ms: 1000,
  now_ms: 10_000_000,
  hbaErrors: [],
  configErrors: [],
  settings: [],
  roles: [],
  databases: [],
  contents: new Map(),
  locales: ['C.utf8', 'en_US.utf8'],
};

const ROLE: RoleFact = {
  name: 'todo',
  superuser: false,
  inherit: true,
  createrole: false,
  createdb: false,
  login: true,
  replication: false,
  bypassrls: false,
  connection_limit: -1,
  valid_until: null,
  password: 'matches',
  member_of: [],
  settings: [],
  uses: [],
  sessions: 0,
};

const VERSIONED = { roles: { todo: { login: true, password: 'pw', version: 'abc' } } };
const VERSION: RoleFact = { ...ROLE, name: 'todo_abc', member_of: ['todo'], settings: ['role=todo'] };
const OLD: RoleFact = { ...VERSION, name: 'todo_old', password: 'unknown' };

const DATABASE = {
  name: 'todo',
  owner: 'todo',
  encoding: 'UTF8',
  collate: 'en_US.UTF-8',
  ctype: 'en_US.UTF-8',
  connection_limit: -1,
  acl: ['=Tc/todo', 'todo=CTc/todo'],
  settings: [],
};

const spec = (input: unknown): Spec => ({ ...v.parse(postgres.entry, input), name: 'postgres' });

function state(facts: Partial<ServerFacts> = {}): State {
  return withServer({ ...EMPTY, ...facts });
}

function withServer(server: ServerState): State {
  const hba = { path: cluster.hbaFile, text: '', guarded: true, changed_ms: 0, previous: undefined };
  return { found: 'one', cluster, configuration: { files: [], order: [], changed_ms: 0 }, hba, server };
}

const said = (declared: unknown, is: State) => diff(spec(declared), is).map((change) => describe(change).summary);

const content = (extension: string) =>
  new Map([
    [
      'todo',
      {
        extensions: [{ name: 'pg_trgm', version: extension, schema: 'public', available: '1.10' }],
        schemas: [],
        relations: [],
        functions: [],
        defaults: [],
        columns: [],
      },
    ],
  ]);

const locale = { encoding: 'utf-8', locale: 'en_US.utf8' };
const cases: readonly [name: string, declared: unknown, is: State, said: readonly (string | RegExp)[]][] = [
  ['a role as declared is left alone', { roles: { todo: { login: true } } }, state({ roles: [ROLE] }), []],
  [
    'a connection limit of 0 is a limit',
    { roles: { todo: { login: true, connection_limit: 0 } } },
    state({ roles: [ROLE] }),
    ['alter role todo CONNECTION LIMIT 0'],
  ],
  [
    'the role postgres keeps its attributes',
    { roles: { postgres: {} } },
    state({
      roles: [
        {
          ...ROLE,
          name: 'postgres',
          superuser: true,
          createdb: true,
          createrole: true,
          replication: true,
          bypassrls: true,
        },
      ],
    }),
    [],
  ],
  [
    'no password declared, none touched',
    { roles: { todo: { login: true } } },
    state({ roles: [{ ...ROLE, password: 'unknown' }] }),
    [],
  ],
  [
    'null clears a password',
    { roles: { todo: { login: true, password: null } } },
    state({ roles: [{ ...ROLE, password: 'unknown' }] }),
    ['clear the password of role todo'],
  ],
  [
    'a role that owns nothing goes',
    { roles: { todo: { ensure: 'absent' } } },
    state({ roles: [ROLE] }),
    ['drop role todo'],
  ],
  [
    'a role that owns something stays',
    { roles: { todo: { ensure: 'absent' } } },
    state({ roles: [{ ...ROLE, uses: [{ database: 'app', owns: true }] }] }),
    [/cannot drop role todo: .*owns objects in app.*reassign_to/],
  ],
  [
    'a version is a role of its own that logs in, and acts as the one that it is of',
    { roles: { todo: { login: true, password: 'pw', version: 'abc', settings: { work_mem: '8MB' } } } },
    state({ roles: [{ ...ROLE, settings: ['work_mem=8MB'] }] }),
    [
      'create role todo_abc LOGIN',
      'set the password (none is set) of role todo_abc',
      'put role todo_abc into todo',
      'set work_mem = 8MB for role todo_abc',
      'set role = todo for role todo_abc',
    ],
  ],
  ['a version as declared is left alone', VERSIONED, state({ roles: [ROLE, VERSION] }), []],
  [
    'the version before ends after the grace, and no later',
    VERSIONED,
    state({ roles: [ROLE, VERSION, OLD, { ...OLD, name: 'todo_older', valid_until: 99_000_000_000 }] }),
    [
      'end the password of role todo_old at 1970-01-01T03:46:40.000Z',
      'end the password of role todo_older at 1970-01-01T03:46:40.000Z',
    ],
  ],
  [
    'a version whose end is set is waited for',
    VERSIONED,
    state({ roles: [ROLE, VERSION, { ...OLD, valid_until: 10_000_001 }] }),
    [],
  ],
  [
    'a version that has ended goes when nobody is connected by it',
    VERSIONED,
    state({
      roles: [
        ROLE,
        VERSION,
        { ...OLD, valid_until: 9_999_999 },
        { ...OLD, name: 'todo_busy', valid_until: 9_999_999, sessions: 2 },
      ],
    }),
    ['drop role todo_old, whose password has ended'],
  ],
  [
    'what an ended version owns goes to the role that it is of',
    VERSIONED,
    state({
      roles: [ROLE, VERSION, { ...OLD, valid_until: 1, uses: [{ database: 'todo', owns: true }] }],
    }),
    [
      'revoke what role todo_old may do in postgres, give what it owns to todo',
      'revoke what role todo_old may do in todo, give what it owns to todo',
      'drop role todo_old',
    ],
  ],
  [
    'a version that is declared again lives on',
    { roles: { todo: { login: true, password: 'pw', version: 'old' } } },
    state({ roles: [ROLE, { ...OLD, password: 'matches', valid_until: 10_500_000 }] }),
    ["alter role todo_old VALID UNTIL 'infinity'"],
  ],
  [
    'roles that only begin alike are left alone',
    VERSIONED,
    state({
      roles: [
        ROLE,
        VERSION,
        { ...OLD, name: 'todo_readonly', settings: [] },
        { ...OLD, name: 'todo_admin', member_of: [] },
        { ...OLD, name: 'todo_a_b' },
      ],
    }),
    [],
  ],
  ['spellings of encoding and locale are one', { databases: { todo: locale } }, state({ databases: [DATABASE] }), []],
  [
    'another encoding is refused',
    { databases: { todo: locale } },
    state({ databases: [{ ...DATABASE, encoding: 'SQL_ASCII' }] }),
    [/cannot change encoding SQL_ASCII and not utf-8 of database todo/],
  ],
  [
    'a missing locale comes before its database',
    { databases: { todo: { locale: 'de_DE.UTF-8' } } },
    state(),
    ['generate locale de_DE.UTF-8', 'create database todo (UTF8, de_DE.UTF-8)'],
  ],
  [
    'an extension goes forward',
    { databases: { todo: { extensions: { pg_trgm: { version: 'latest' } } } } },
    state({ databases: [DATABASE], contents: content('1.9') }),
    ['update extension pg_trgm from 1.9 to 1.10 in todo'],
  ],
  [
    'an extension does not go back',
    { databases: { todo: { extensions: { pg_trgm: { version: '1.9' } } } } },
    state({ databases: [DATABASE], contents: content('1.10') }),
    [/cannot update extension pg_trgm from 1.10 to 1.9/],
  ],
  [
    'what the owner has by being the owner is ALL',
    { databases: { todo: { grants: [{ to: 'todo', privileges: 'all privileges' }] } } },
    state({ databases: [DATABASE] }),
    [],
  ],
  [
    'an unknown setting is refused',
    { settings: { wrok_mem: '8MB' } },
    state(),
    [/cannot set wrok_mem = 8MB: PostgreSQL 15 has no setting "wrok_mem"/],
  ],
  [
    'a standby is changed on its primary',
    { roles: { new: {} } },
    state({ recovery: true }),
    [/^make 1 changes on the primary: 15\/main is a standby/],
  ],
  [
    'a server that is down is started first',
    { roles: { new: {} } },
    withServer({ state: 'down', reason: 'x' }),
    ['start postgresql@15-main.service', /^then compare/],
  ],
  [
    'a server that keeps the agent out is told again',
    { roles: { new: {} } },
    withServer({ state: 'refused', reason: 'no entry' }),
    [/^reload the server .*no entry/, /^then compare/],
  ],
  [
    'without a server all is planned',
    { settings: { work_mem: '8MB' }, hba: [], roles: { a: {} }, databases: { b: {} } },
    { found: 'none', why: 'none' },
    [
      /^wait for PostgreSQL to be installed: none/,
      /^set work_mem/,
      /^write .*pg_hba.conf/,
      'create role a',
      'create database b (UTF8)',
    ],
  ],
  ['several clusters need a word', {}, { found: 'unclear', why: 'which?' }, ['cannot find the cluster: which?']],
];

for (const [name, declared, is, expected] of cases) {
  void test(name, () => {
    const actual = said(declared, is);
    assert.equal(actual.length, expected.length, actual.join('\n'));
    for (const [index, one] of expected.entries()) {
      if (typeof one === 'string') assert.equal(actual[index], one);
      else assert.match(actual[index] ?? '', one);
    }
  });
}

void test('a password stands in no description', () => {
  const changes = diff(spec({ roles: { todo: { login: true, password: new Secret('geheim-geheim') } } }), state());
  assert.ok(changes.some(({ type }) => type === 'password'));
  assert.doesNotMatch(JSON.stringify([changes, changes.map(describe)]), /geheim/);
});

const refused: readonly [name: string, declared: unknown, message: RegExp][] = [
  ['removing a database without force', { databases: { a: { ensure: 'absent' } } }, /force: true/],
  ['removing the role postgres', { roles: { postgres: { ensure: 'absent' } } }, /the role postgres/],
  ['a role of PostgreSQL', { roles: { pg_monitor: {} } }, /pg_ belong/],
  ['a name that the server would cut', { databases: { ['x'.repeat(64)]: {} } }, /at most 63/],
  ['the data directory', { settings: { data_directory: '/x' } }, /postgresql-common/],
  ['an unknown privilege', { databases: { a: { grants: [{ to: 'b', privileges: 'fly' }] } } }, /expected ALL/],
];
for (const [name, declared, message] of refused) {
  void test(`${name} is refused`, () => assert.throws(() => spec(declared), message));
}
