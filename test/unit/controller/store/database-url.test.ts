import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseOptions, UsageError } from '../../../../controller/options.ts';
import { readDatabaseUrl } from '../../../../controller/store/database-url.ts';
import { scratch } from '../../../programs/controller/git.ts';

const URL_WITH_PASSWORD = 'postgres://controller:hunter2@db.example/holdfast?sslmode=verify-full';

function parse(env: NodeJS.ProcessEnv, ...args: readonly string[]) {
  const options = parseOptions(['--repository', '/srv/repo.git', ...args], env);
  return options === 'help' ? assert.fail() : options;
}

test('the database is that of DATABASE_URL, or one in the state directory', () => {
  assert.equal(parse({ DATABASE_URL: URL_WITH_PASSWORD }).databaseUrl, URL_WITH_PASSWORD);
  assert.equal(parse({ DATABASE_URL: '' }).databaseUrl, undefined);
  const options = parse(
    {},
    '--database-url-file',
    '/etc/url',
    '--master-key-file',
    '/etc/key',
    '--keep-history',
    '30d',
  );
  assert.deepEqual([options.databaseUrl, options.databaseUrlFile], [undefined, '/etc/url']);
  assert.deepEqual([options.masterKeyFile, options.keepHistory_ms], ['/etc/key', 30 * 86_400_000]);
});

test('what is no URL of PostgreSQL is refused without being quoted, since a password may stand in it', () => {
  for (const text of ['mysql://a:hunter2@b/c', 'hunter2']) {
    assert.throws(
      () => parse({ DATABASE_URL: text }),
      (error: Error) => error instanceof UsageError && !error.message.includes('hunter2'),
    );
  }
});

test('a file with the URL is read when nobody else may read it', async (context) => {
  const path = join(await scratch(context), 'url');
  await writeFile(path, `${URL_WITH_PASSWORD}\n`, { mode: 0o600 });
  assert.equal(await readDatabaseUrl(path), URL_WITH_PASSWORD);
  await writeFile(path, 'hunter2');
  await assert.rejects(
    readDatabaseUrl(path),
    (error: Error) => /expected postgres:/.test(error.message) && !error.message.includes('hunter2'),
  );
  const open = `${path}-open`;
  await writeFile(open, URL_WITH_PASSWORD, { mode: 0o644 });
  await assert.rejects(readDatabaseUrl(open), /mode 0600/);
});
