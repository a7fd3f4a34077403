import { type Kysely, sql } from 'kysely';
import type { Tables } from '../tables.ts';
import { typesOf } from './types.ts';

/** All tables of the first release. Until that release is out, this file is changed; afterwards there is a next one. */
export async function up(db: Kysely<Tables>): Promise<void> {
  const { table, bytes, moment, size } = typesOf(db);
  const { schema } = db;

  await table('hosts')
    .addColumn('host', 'text', (column) => column.primaryKey())
    .addColumn('last_seen_ms', moment, (column) => column.notNull())
    .addColumn('last_report_ms', moment)
    .addColumn('addresses', 'text', (column) => column.notNull())
    .addColumn('summary', 'text')
    .execute();

  await table('reports')
    .addColumn('host', 'text', (column) => column.primaryKey())
    .addColumn('report', 'text', (column) => column.notNull())
    .execute();

  await table('runs', { id: true })
    .addColumn('host', 'text', (column) => column.notNull())
    .addColumn('at_ms', moment, (column) => column.notNull())
    .addColumn('revision', 'text', (column) => column.notNull())
    .addColumn('status', 'text', (column) => column.notNull())
    .addColumn('duration_ms', 'integer', (column) => column.notNull())
    .addColumn('changed', 'integer', (column) => column.notNull())
    .addColumn('failed', 'integer', (column) => column.notNull())
    .addColumn('detail', 'text', (column) => column.notNull())
    .addColumn('size_bytes', 'integer', (column) => column.notNull())
    .execute();
  await schema.createIndex('runs_host').on('runs').columns(['host', 'id']).execute();
  await schema.createIndex('runs_at').on('runs').columns(['at_ms', 'size_bytes']).execute();

  await table('revisions')
    .addColumn('revision', 'text', (column) => column.primaryKey())
    .addColumn('sequence', size)
    .addColumn('seen_ms', moment, (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull().check(sql`state in ('good', 'refused')`))
    .addColumn('issues', 'text', (column) => column.notNull())
    .addColumn('pushed_by', 'text', (column) => column.notNull())
    .addColumn('pushed_from', 'text')
    .addColumn('subject', 'text', (column) => column.notNull())
    .execute();
  await schema.createIndex('revisions_sequence').unique().on('revisions').column('sequence').execute();
  await schema.createIndex('revisions_seen').on('revisions').column('seen_ms').execute();

  await table('manifests')
    .addColumn('host', 'text', (column) => column.notNull())
    .addColumn('etag', 'text', (column) => column.notNull())
    .addColumn('revision', 'text', (column) => column.notNull())
    .addColumn('sequence', size, (column) => column.notNull())
    .addColumn('environment', 'text', (column) => column.notNull())
    .addColumn('roles', 'text', (column) => column.notNull())
    .addColumn('resources', 'integer', (column) => column.notNull())
    .addColumn('sealed', bytes, (column) => column.notNull())
    .addColumn('made_ms', moment, (column) => column.notNull())
    .addPrimaryKeyConstraint('manifests_key', ['host', 'etag'])
    .execute();
  await schema.createIndex('manifests_made').on('manifests').column('made_ms').execute();

  await table('served')
    .addColumn('host', 'text', (column) => column.primaryKey())
    .addColumn('etag', 'text', (column) => column.notNull())
    .addColumn('revision', 'text', (column) => column.notNull())
    .addColumn('since_ms', moment, (column) => column.notNull())
    .addForeignKeyConstraint('served_manifest', ['host', 'etag'], 'manifests', ['host', 'etag'])
    .execute();

  await table('rollouts', { id: true })
    .addColumn('revision', 'text', (column) => column.notNull())
    .addColumn('sequence', size, (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('version', 'integer', (column) => column.notNull())
    .addColumn('started_ms', moment, (column) => column.notNull())
    .addColumn('updated_ms', moment, (column) => column.notNull())
    .addColumn('ended_ms', moment)
    .addColumn('why', 'text')
    .addColumn('started_by', 'text', (column) => column.notNull())
    .addColumn('cause', 'text', (column) => column.notNull())
    .addColumn('plan', 'text', (column) => column.notNull())
    .execute();
  await schema.createIndex('rollouts_state').on('rollouts').columns(['state', 'id']).execute();

  await table('rollout_hosts')
    .addColumn('rollout', size, (column) => column.notNull().references('rollouts.id').onDelete('cascade'))
    .addColumn('host', 'text', (column) => column.notNull())
    .addColumn('group_name', 'text', (column) => column.notNull())
    .addColumn('wave', 'integer', (column) => column.notNull())
    .addColumn('etag', 'text', (column) => column.notNull())
    .addColumn('previous', 'text')
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('since_ms', moment, (column) => column.notNull())
    .addColumn('why', 'text')
    .addColumn('version', 'integer', (column) => column.notNull())
    .addPrimaryKeyConstraint('rollout_hosts_key', ['rollout', 'host'])
    .execute();

  await table('pauses')
    .addColumn('host', 'text', (column) => column.primaryKey())
    .addColumn('until_ms', moment, (column) => column.notNull())
    .addColumn('since_ms', moment, (column) => column.notNull())
    .addColumn('by', 'text', (column) => column.notNull())
    .addColumn('why', 'text', (column) => column.notNull())
    .execute();

  await table('previews')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('host', 'text', (column) => column.notNull())
    .addColumn('asked_ms', moment, (column) => column.notNull())
    .addColumn('sealed', bytes, (column) => column.notNull())
    .addColumn('answer', 'text')
    .addColumn('answered_ms', moment)
    .execute();
  await schema.createIndex('previews_host').on('previews').columns(['host', 'asked_ms']).execute();

  await table('certificates')
    .addColumn('fingerprint', 'text', (column) => column.primaryKey())
    .addColumn('host', 'text', (column) => column.notNull())
    .addColumn('serial', 'text', (column) => column.notNull())
    .addColumn('issued_ms', moment, (column) => column.notNull())
    .addColumn('expires_ms', moment, (column) => column.notNull())
    .addColumn('revoked_ms', moment)
    .addColumn('revoked_by', 'text')
    .addColumn('why', 'text')
    .addColumn('machine', 'text')
    .execute();
  await schema.createIndex('certificates_host').on('certificates').column('host').execute();

  await table('join_tokens')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('hash', 'text', (column) => column.notNull())
    .addColumn('host', 'text')
    .addColumn('created_ms', moment, (column) => column.notNull())
    .addColumn('created_by', 'text', (column) => column.notNull())
    .addColumn('expires_ms', moment, (column) => column.notNull())
    .addColumn('uses_left', 'integer', (column) => column.notNull())
    .execute();

  await table('tokens')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('role', 'text', (column) => column.notNull().check(sql`role in ('read', 'deploy', 'admin')`))
    .addColumn('hash', 'text', (column) => column.notNull())
    .addColumn('created_ms', moment, (column) => column.notNull())
    .addColumn('created_by', 'text', (column) => column.notNull())
    .addColumn('expires_ms', moment)
    .addColumn('last_used_ms', moment)
    .addColumn('revoked_ms', moment)
    .execute();

  await table('audit', { id: true })
    .addColumn('at_ms', moment, (column) => column.notNull())
    .addColumn('actor', 'text', (column) => column.notNull())
    .addColumn('address', 'text')
    .addColumn('action', 'text', (column) => column.notNull())
    .addColumn('subject', 'text', (column) => column.notNull())
    .addColumn('detail', 'text', (column) => column.notNull())
    .execute();
  await schema.createIndex('audit_at').on('audit').column('at_ms').execute();

  await table('git_refs')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('revision', 'text', (column) => column.notNull())
    .addColumn('version', 'integer', (column) => column.notNull())
    .execute();

  await table('git_packs', { id: true })
    .addColumn('at_ms', moment, (column) => column.notNull())
    .addColumn('pack', bytes, (column) => column.notNull())
    .execute();

  await table('settings')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('value', 'text', (column) => column.notNull())
    .execute();
}
