import { join } from 'node:path';
import type { Host } from '../../host/host.ts';
import { asApplication, build } from './build.ts';
import { layoutOf, type Spec } from './layout.ts';
import type { Trees } from './program.ts';

const LOCK_WAIT_SECONDS = 600;
const BOUND_MS = 3_600_000;

/** Django's own checks: they import what the first request would, such as the URLs, and a health check would not. */
const CHECK_SCRIPT = `
import sys
sys.path.insert(0, "")
import django
django.setup()
from django.core.management import call_command
call_command("check")
`;

/**
 * Applies the migrations that are missing. On PostgreSQL under an advisory lock of the database, so that of several
 * hosts one migrates and the others find nothing left to do. The number is the lock's name: any constant does.
 */
const MIGRATE_SCRIPT = `
import sys, time
sys.path.insert(0, "")
import django
django.setup()
from django.core.management import call_command
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

LOCK = 7201553047
connection = connections["default"]
connection.ensure_connection()
postgres = connection.vendor == "postgresql"
deadline = time.monotonic() + ${LOCK_WAIT_SECONDS}
while postgres:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        if cursor.fetchone()[0]:
            break
    if time.monotonic() > deadline:
        sys.exit("did not end within ${LOCK_WAIT_SECONDS} s: another host holds the migration lock")
    time.sleep(0.5)
try:
    executor = MigrationExecutor(connection)
    executor.loader.check_consistent_history(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        call_command("migrate", interactive=False, verbosity=1)
    else:
        print("nothing to migrate")
finally:
    if postgres:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
    connection.close()
`;

export async function checkDjango(spec: Spec, trees: Trees, host: Host): Promise<void> {
  if (spec.django === undefined) return;
  await runScript(CHECK_SCRIPT, 'Django refuses it', spec, trees, host);
}

export async function migrate(spec: Spec, trees: Trees, host: Host): Promise<void> {
  if (spec.django?.migrate !== true) return;
  await runScript(MIGRATE_SCRIPT, 'its migrations could not be applied', spec, trees, host);
}

async function runScript(script: string, what: string, spec: Spec, trees: Trees, host: Host): Promise<void> {
  const layout = layoutOf(spec);
  await build(host, what, {
    argv: [join(layout.directory, 'venvs', trees.venv, 'bin', 'python'), '-'],
    input: script,
    ...asApplication(spec, layout, trees),
    timeout_ms: BOUND_MS,
  });
}
