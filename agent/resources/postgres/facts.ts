import * as v from 'valibot';

/** The shapes of what the two queries answer. */

const texts = v.array(v.string());

const settingFact = v.object({
  name: v.string(),
  value: v.nullable(v.string()),
  unit: v.nullable(v.string()),
  type: v.string(),
  context: v.string(),
  source: v.string(),
});
export type SettingFact = v.InferOutput<typeof settingFact>;

const roleFact = v.object({
  name: v.string(),
  superuser: v.boolean(),
  inherit: v.boolean(),
  createrole: v.boolean(),
  createdb: v.boolean(),
  login: v.boolean(),
  replication: v.boolean(),
  bypassrls: v.boolean(),
  connection_limit: v.number(),
  /** Milliseconds since the epoch; null for ever. */
  valid_until: v.nullable(v.number()),
  password: v.nullable(v.string()),
  member_of: texts,
  settings: texts,
  /** Where it owns something or holds rights; looked for only when the role is to go. An empty database is what all share. */
  uses: v.array(v.object({ database: v.string(), owns: v.boolean() })),
  /** Connections that logged in as it; counted only where a role has versions. */
  sessions: v.number(),
});
type RawRoleFact = v.InferOutput<typeof roleFact>;

/** Without the verifier, which goes no further than the observation. */
export type RoleFact = Omit<RawRoleFact, 'password'> & {
  readonly password: 'none' | 'matches' | 'differs' | 'weak' | 'unknown';
};

const databaseFact = v.object({
  name: v.string(),
  owner: v.string(),
  encoding: v.string(),
  collate: v.string(),
  ctype: v.string(),
  connection_limit: v.number(),
  acl: texts,
  settings: texts,
});
export type DatabaseFact = v.InferOutput<typeof databaseFact>;

export const clusterFacts = v.object({
  version: v.number(),
  recovery: v.boolean(),
  loaded_ms: v.number(),
  now_ms: v.number(),
  hbaErrors: v.array(v.object({ line: v.nullable(v.number()), error: v.string() })),
  configErrors: v.array(
    v.object({
      path: v.nullable(v.string()),
      line: v.nullable(v.number()),
      name: v.nullable(v.string()),
      error: v.string(),
    }),
  ),
  settings: v.array(settingFact),
  roles: v.array(roleFact),
  databases: v.array(databaseFact),
});
export type ClusterFacts = v.InferOutput<typeof clusterFacts>;

const relationFact = v.object({
  schema: v.string(),
  name: v.string(),
  kind: v.picklist(['table', 'sequence']),
  /** What ALTER calls it: TABLE, VIEW, MATERIALIZED VIEW, FOREIGN TABLE, SEQUENCE. */
  word: v.string(),
  owner: v.string(),
  acl: texts,
  /** A sequence of a column changes its owner with the table. */
  linked: v.boolean(),
});

const functionFact = v.object({
  /** As the manifest names it; null where it was found by its schema. */
  declared: v.nullable(v.string()),
  schema: v.string(),
  signature: v.string(),
  owner: v.string(),
  acl: texts,
});

const schemaFact = v.object({ name: v.string(), owner: v.string(), acl: texts });

export const contentFacts = v.object({
  extensions: v.array(
    v.object({
      name: v.string(),
      version: v.string(),
      schema: v.string(),
      /** The newest that is installed on the host. */
      available: v.nullable(v.string()),
    }),
  ),
  schemas: v.array(schemaFact),
  relations: v.array(relationFact),
  functions: v.array(functionFact),
  defaults: v.array(v.object({ owner: v.string(), schema: v.string(), type: v.string(), acl: texts })),
  columns: v.array(v.object({ schema: v.string(), table: v.string(), name: v.string() })),
});
export type ContentFacts = v.InferOutput<typeof contentFacts>;
