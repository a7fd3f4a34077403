import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it, type TestContext } from 'node:test';
import { bundleController } from '../../bootstrap/bundle.ts';
import { openStore, type Store } from '../../controller/store/database.ts';
import { HostRecords } from '../../controller/store/host-records.ts';
import { until } from '../programs/controller/bench.ts';
import { TestRepository } from '../programs/controller/git.ts';
import { quiet } from '../unit/controller/store/memory.ts';
import { describeQueries } from '../unit/controller/store/queries.ts';
import { reportOf, runOf } from '../unit/controller/store/reports.ts';
import { Operator } from './call.ts';
import { type DatabaseHost, startDatabaseHost } from './database-host.ts';

let database: DatabaseHost;
let folder: string;
before(async () => {
  database = await startDatabaseHost();
  folder = await mkdtemp(join(tmpdir(), 'holdfast-store-'));
});
after(async () => {
  await database[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

let keys = 0;
function newKeyFile(): string {
  keys += 1;
  return join(folder, `master-${keys}.key`);
}

async function openShared(context: TestContext, databaseUrl: string, masterKeyFile: string): Promise<Store> {
  const store = await openStore({ databaseUrl, masterKeyFile, log: quiet });
  context.after(() => store.close());
  return store;
}

async function openPair(context: TestContext): Promise<readonly [Store, Store]> {
  const databaseUrl = await database.createDatabase();
  const masterKeyFile = newKeyFile();
  return [await openShared(context, databaseUrl, masterKeyFile), await openShared(context, databaseUrl, masterKeyFile)];
}

describeQueries('PostgreSQL', async (context) => {
  return openShared(context, await database.createDatabase(), newKeyFile());
});

describe('two controllers of one database', () => {
  it('bring an empty one up to date at the same time', async (context) => {
    const databaseUrl = await database.createDatabase();
    const masterKeyFile = newKeyFile();
    const ran: object[] = [];
    const log = { ...quiet, info: (details: object) => void ('migrations' in details && ran.push(details)) };
    const stores = await Promise.all(Array.from({ length: 4 }, () => openStore({ databaseUrl, masterKeyFile, log })));
    context.after(() => Promise.all(stores.map((store) => store.close())));
    assert.equal(ran.length, 1, 'one of them did it');
    const [first, last] = [stores[0], stores.at(-1)];
    assert.ok(first !== undefined && last !== undefined);
    assert.equal(last.sealer.open(first.sealer.seal('secret', 'x'), 'x'), 'secret');
  });

  it('need the same master key', async (context) => {
    const databaseUrl = await database.createDatabase();
    await openShared(context, databaseUrl, newKeyFile());
    const missing = newKeyFile();
    await assert.rejects(openStore({ databaseUrl, masterKeyFile: missing, log: quiet }), /there is no master key/);
    await (await openStore({ path: ':memory:', log: quiet })).close();
    const other = newKeyFile();
    await openShared(context, await database.createDatabase(), other);
    await assert.rejects(
      openStore({ databaseUrl, masterKeyFile: other, log: quiet }),
      /not the one that this database/,
    );
  });

  it('hear what the other publishes, and each what it publishes itself once', async (context) => {
    const [one, two] = await openPair(context);
    const heard: string[] = [];
    for (const [name, { bus }] of Object.entries({ one, two })) {
      bus.subscribe('served', (text, sender) => void heard.push(`${name} ${text} ${sender}`));
      bus.subscribe('refs', () => void heard.push('of another topic'));
    }
    const start = performance.now();
    await one.bus.publish('served', 'wéb-1\n"x"');
    await until('both have heard', () => heard.length === 2);
    context.diagnostic(`heard after ${(performance.now() - start).toFixed(1)} ms`);
    await two.bus.publish('served', 'b');
    await until('both have heard again', () => heard.length === 4);
    assert.deepEqual(heard.sort(), ['one b other', 'one wéb-1\n"x" self', 'two b self', 'two wéb-1\n"x" other']);
    await assert.rejects(one.bus.publish('served', 'x'.repeat(8000)), /too long/);
  });

  it('know of reports that came to the other, whole and in short', async (context) => {
    const [one, two] = await openPair(context);
    const here = new HostRecords(one, quiet);
    const there = new HostRecords(two, quiet);
    for (const records of [here, there]) await records.open();
    const told: string[] = [];
    there.onReport((hosts) => told.push(...hosts));
    const names = Array.from({ length: 120 }, (_, index) => `host-${index}.${'x'.repeat(200)}`);
    await Promise.all(names.map((host) => here.add(reportOf(host, { run: runOf('r', { nginx: 'failed' }) }), 7)));
    await until('the other knows', () => told.length === names.length);
    assert.equal(there.get(names[119] ?? '')?.summary?.run?.broken, 'services/nginx: no nginx');
    assert.ok((await there.lastReport(names[3] ?? '')) !== undefined);
    for (const records of [here, there]) await records.close();
  });
});

describe('a controller whose database goes away', () => {
  async function opened(context: TestContext) {
    const [one, two] = await openPair(context);
    const heard: string[] = [];
    let gaps = 0;
    one.bus.subscribe('pause', (text) => void heard.push(text));
    one.bus.onGap(() => {
      gaps += 1;
    });
    const hearsAgain = async (): Promise<void> => {
      await until('it has called for reading everything again', () => gaps > 0, 60_000);
      assert.equal(gaps, 1);
      await until(
        'the database is reached',
        () =>
          two.bus.publish('pause', 'after').then(
            () => true,
            () => false,
          ),
        60_000,
      );
      await until('it hears again', () => heard.includes('after'));
      await one.db.insertInto('settings').values({ name: 'after', value: '1' }).execute();
    };
    return { one, two, heard, hearsAgain };
  }

  it('hears again when its connections were killed', async (context) => {
    const { one, heard, hearsAgain } = await opened(context);
    await one.db.selectFrom('settings').selectAll().execute();
    const killed = await database.psql(
      "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'controller'",
    );
    assert.ok(killed.includes('t'));
    await one.bus.publish('pause', 'own').catch(() => undefined);
    await until('what it says itself needs no database', () => heard.includes('own'));
    await hearsAgain();
  });

  it('hears again when the server was restarted', async (context) => {
    const { hearsAgain } = await opened(context);
    await database.host.sh('systemctl stop postgresql@15-main; sleep 1; systemctl start postgresql@15-main');
    await hearsAgain();
  });

  it('notices a cable that was pulled, and hears again', async (context) => {
    const { hearsAgain } = await opened(context);
    await database.host.cutOff();
    // The probe of its connection goes unanswered: within 15 s it gives it up.
    await new Promise((resolve) => {
      setTimeout(resolve, 16_000);
    });
    await database.host.reconnect();
    await hearsAgain();
  });
});

describe('10,000 hosts', () => {
  const names = Array.from({ length: 10_000 }, (_, index) => `host-${index}`);
  const services = Object.fromEntries(
    Array.from({ length: 60 }, (_, index) => [`service-${index}`, 'converged' as const]),
  );

  async function measure(context: TestContext, store: Store): Promise<void> {
    const records = new HostRecords(store, quiet);
    await records.open();
    let longest_ms = 0;
    let last = performance.now();
    const ticking = setInterval(() => {
      longest_ms = Math.max(longest_ms, performance.now() - last);
      last = performance.now();
    }, 1);
    const run = runOf('r1', { ...services, nginx: 'changed' });
    const start = performance.now();
    await Promise.all(names.map((host) => records.add(reportOf(host, { run, runningRevision: 'r1' }), 1000)));
    const reports_ms = performance.now() - start;
    for (const host of names) records.seen(host, 2000);
    const seen = performance.now();
    await records.close();
    const seen_ms = performance.now() - seen;
    const load = performance.now();
    const again = new HostRecords(store, quiet);
    await again.open();
    clearInterval(ticking);
    context.diagnostic(
      `reports written in ${reports_ms.toFixed(0)} ms, seen in ${seen_ms.toFixed(0)} ms, read at start in ` +
        `${(performance.now() - load).toFixed(0)} ms; the event loop was held for at most ${longest_ms.toFixed(0)} ms`,
    );
    assert.equal(again.records().size, names.length);
    assert.equal(again.get('host-9999')?.lastSeen_ms, 2000);
    const { count } = await store.db
      .selectFrom('runs')
      .select((row) => row.fn.countAll<number>().as('count'))
      .executeTakeFirstOrThrow();
    assert.equal(count, names.length);
    await again.close();
  }

  it('report to a controller with SQLite', async (context) => {
    const path = join(folder, 'many', 'controller.db');
    const store = await openStore({ path, masterKeyFile: newKeyFile(), log: quiet });
    context.after(() => store.close());
    await measure(context, store);
  });

  it('report to a controller with PostgreSQL', async (context) => {
    await measure(context, await openShared(context, await database.createDatabase(), newKeyFile()));
  });
});

describe('a controller as it is installed', () => {
  async function start(context: TestContext, bundle: string, state: string, env: Readonly<Record<string, string>>) {
    const repository = await TestRepository.create(context);
    const args = ['--listen', '127.0.0.1:0', '--repository', repository.path, '--state-directory', state];
    const child = spawn(process.execPath, [join(bundle, 'controller.mjs'), ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { PATH: process.env['PATH'], ...env },
    });
    context.after(() => child.kill('SIGKILL'));
    const lines: string[] = [];
    createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
    await until('it listens', () => lines.some((line) => line.includes('"controller listens"')), 30_000);
    return { child, lines };
  }

  it('says of requests that need the database that it is away, and answers them again when it is back', async (context) => {
    const bundle = await bundleController(join(folder, 'bundle-away'));
    const state = join(folder, 'state-away');
    const { lines } = await start(context, bundle, state, { DATABASE_URL: await database.createDatabase() });
    const { url } = JSON.parse(lines.find((line) => line.includes('"controller listens"')) ?? '{}');
    const operator = await Operator.of(url, state);
    const ask = () => operator.call({ path: '/v1/hosts/web-1' });
    await until('it knows the host', async () => (await ask()).status === 200);
    await database.host.sh('systemctl stop postgresql@15-main');
    const answer = await ask();
    assert.deepEqual([answer.status, answer.json()['title']], [503, 'No database']);
    await database.host.sh('systemctl start postgresql@15-main');
    await until('it answers again', async () => (await ask()).status === 200);
  });

  function ended(child: ChildProcess): Promise<number | null> {
    return new Promise((resolve) => {
      child.once('exit', resolve);
    });
  }

  it('makes its tables at the first start, in SQLite and in PostgreSQL, and finds them at the next', async (context) => {
    const bundle = await bundleController(join(folder, 'bundle'));
    const databaseUrl = await database.createDatabase();
    for (const [name, env] of Object.entries({ sqlite: {}, postgres: { DATABASE_URL: databaseUrl } })) {
      const state = join(folder, `state-${name}`);
      for (const migrated of [true, false]) {
        const { child, lines } = await start(context, bundle, state, env);
        assert.equal(
          lines.some((line) => line.includes('database brought up to date')),
          migrated,
          name,
        );
        assert.ok(!lines.some((line) => line.includes('f0r-controllers')), 'no password in the log');
        child.kill('SIGTERM');
        assert.equal(await ended(child), 0);
      }
    }
  });
});
