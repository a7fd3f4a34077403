/** A database password is changed by one push, under requests each of which logs in to the database anew. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { HostStatus } from '../../controller/hosts.ts';
import { SecretFolder } from '../../controller/secrets/folder.ts';
import { createIdentity } from '../../controller/secrets/identity.ts';
import { DaemonOnHost } from '../agent/daemon-on-host.ts';
import { convergedImages, startDeployment } from '../drift/deployment.ts';
import { deploymentFiles } from '../drift/manifests.ts';
import { addTodo, ask, todosOf } from '../drift/site.ts';
import type { Host } from '../hosts/host.ts';
import { sharedNetwork } from '../hosts/network.ts';
import { mustRun } from '../hosts/process.ts';
import { type ControllerProcess, startController } from './controller-process.ts';

const SECRETS = ['todo_db_password', 'todo_secret_key'];
const SECRET = 'todo_db_password';
/** Longer than the web host takes to go from one release slot to the other. */
const GRACE_S = 60;
const BOUND_MS = 240_000;
const VISITORS = 4;

void test('a database password is rotated by one push, and no request fails', async (t) => {
  await using deployment = await startDeployment({ ...(await convergedImages()), extras: false });
  const [db, web] = [deployment.db.host, deployment.web.host];
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-rotation-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const key = join(folder, 'age.key');
  const { recipient, keys } = await createIdentity(key);
  const repository = deployment.git.url('todomvc.git');
  const files = await deploymentFiles(
    { db: db.address, web: web.address, repository, extras: false },
    {
      'roles/db.yaml': (text) => text.replace('version: "{{', `grace: ${GRACE_S}s, version: "{{`),
      // Every request logs in to the database: none can live on a connection that was made before the change.
      'roles/web.yaml': (text) =>
        text.replace('DATABASE_NAME: todo', 'DATABASE_CONN_MAX_AGE: "0"\n      DATABASE_NAME: todo'),
    },
  );
  const { gatewayAddress } = await sharedNetwork();
  const before = newPassword();
  for (const name of SECRETS) {
    const text = name === SECRET ? before : newPassword();
    files[`secrets/${name}.age`] = await new SecretFolder(folder).seal(name, text, [
      { text: recipient, comment: '', line: 1 },
    ]);
  }
  files['secrets/recipients.txt'] = `# controller\n${recipient}\n`;
  const controller = await startController({ address: gatewayAddress, files, args: ['--age-key', key] });
  t.after(() => controller.stop());
  assert.deepEqual(await issuesOf(controller), []);
  await Promise.all([db, web].map((host) => enrol(host, controller)));
  await converged(controller, await revisionOf(controller));
  await addTodo(web.address, 'rotate');
  // The images have logins of their own, which end soon.
  const known = await logins(db);
  const login = await loginOf(web);
  assert.equal(await logsIn(db, login, before), true);

  const visitors = Array.from({ length: VISITORS }, () => new Visitor(web.address));
  const visits = visitors.map((visitor) => visitor.visit());
  await until('visitors come', async () => visitors.every(({ answered }) => answered > 5));
  const after = newPassword();
  const work = new SecretFolder(join(controller.folder, 'repository/desired-state'));
  await work.write(SECRET, after, await work.recipients());
  const fresh = async () => (await logins(db)).find((name) => !known.includes(name));
  const begun = performance.now();
  const revision = await commit(controller, 'rotate');
  await until('the new login is there', async () => (await fresh()) !== undefined);
  const next = (await fresh()) ?? '';
  const overlap = [await logsIn(db, login, before), await logsIn(db, 'todo', before)];
  await converged(controller, revision);
  const took_ms = performance.now() - begun;
  // The old slot is gone by now; a while longer, all on the new one.
  await delay(2_000);
  for (const visitor of visitors) visitor.leave();
  await Promise.all(visits);

  const answered = visitors.reduce((sum, visitor) => sum + visitor.answered, 0);
  const failures = visitors.flatMap((visitor) => visitor.failures);
  t.diagnostic(`${answered} requests, ${failures.length} failed; both hosts after ${Math.round(took_ms)} ms`);
  assert.deepEqual(failures, []);
  assert.ok(answered > 50, `${answered} requests`);
  assert.deepEqual(
    overlap,
    [true, false],
    'the old login goes on meanwhile, the role itself has the new password at once',
  );

  assert.equal(await loginOf(web), next);
  assert.equal(await logsIn(db, next, after), true);
  assert.equal(await logsIn(db, next, before), false);
  assert.deepEqual(
    (await todosOf(web.address)).map(({ title }) => title),
    ['rotate'],
  );
  await until('the old login is refused and gone', async () => !(await logins(db)).includes(login));
  assert.equal(await logsIn(db, login, before), false);
  assert.equal((await ask(web.address, '/api/todos/')).status, 200);
  const owner = "select tableowner from pg_tables where tablename like 'todos%' limit 1";
  assert.equal((await psql(db, owner)).trim(), 'todo', 'what a login makes belongs to the role that it acts as');

  const seen = [...controller.lines.map((line) => JSON.stringify(line)), await db.sh('cat /var/log/postgresql/*')].join(
    '\n',
  );
  for (const text of [before, after, ...keys]) assert.ok(!seen.includes(text), 'a secret came to a log');
});

/** Asks for the todos, one request after the other. */
class Visitor {
  readonly #address: string;
  #stays = true;
  answered = 0;
  readonly failures: string[] = [];

  constructor(address: string) {
    this.#address = address;
  }

  async visit(): Promise<void> {
    while (this.#stays) {
      const answer = await ask(this.#address, '/api/todos/').catch((error: unknown) => ({
        status: 0,
        body: String(error),
      }));
      if (answer.status === 200) this.answered += 1;
      else this.failures.push(`${new Date().toISOString()} ${answer.status} ${answer.body.slice(0, 200)}`);
      await delay(20);
    }
  }

  leave(): void {
    this.#stays = false;
  }
}

function newPassword(): string {
  return randomBytes(24).toString('base64url');
}

async function enrol(host: Host, controller: ControllerProcess): Promise<void> {
  const daemon = await DaemonOnHost.install(host, { controller: controller.url });
  await host.writeFile('/root/join-token', await controller.operator.joinToken({ host: host.name }), '0600');
  await host.mustExec(['holdfast-agent', 'enroll', '--join-token-file', '/root/join-token']);
  await daemon.start();
}

async function commit(controller: ControllerProcess, message: string): Promise<string> {
  const git = (...args: readonly string[]): Promise<string> =>
    mustRun(['git', '-C', join(controller.folder, 'repository'), ...args]);
  const author = ['-c', 'user.name=test', '-c', 'user.email=test@localhost', '-c', 'commit.gpgSign=false'];
  await git('add', '--all');
  await git(...author, 'commit', '--quiet', '--message', message);
  return revisionOf(controller);
}

async function revisionOf(controller: ControllerProcess): Promise<string> {
  return (await mustRun(['git', '-C', join(controller.folder, 'repository'), 'rev-parse', 'HEAD'])).trim();
}

async function issuesOf(controller: ControllerProcess): Promise<readonly unknown[]> {
  const answer = await controller.operator.call({ path: '/v1/status' });
  return answer.json<{ readonly issues: readonly unknown[] }>().issues;
}

/** Both hosts run the revision, and nothing is left to do. */
async function converged(controller: ControllerProcess, revision: string): Promise<void> {
  let last = '';
  await until('both hosts are converged', async () => {
    const answer = await controller.operator.call({ path: '/v1/hosts' });
    last = answer.body;
    const { hosts } = answer.json<{ readonly hosts: readonly HostStatus[] }>();
    const two = hosts.filter(({ host }) => host === 'db-1' || host === 'web-1');
    return (
      two.length === 2 &&
      two.every(({ state, runningRevision }) => state === 'converged' && runningRevision === revision)
    );
  }).catch((error: unknown) => {
    throw new Error(`${String(error)}\n${last}`);
  });
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + BOUND_MS;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not in time: ${what}`);
    await delay(100);
  }
}

function psql(db: Host, sql: string): Promise<string> {
  return db.sh(`cd /; su postgres -c 'psql -qAt -d todo' <<'SQL'\n${sql}\nSQL`);
}

async function logins(db: Host): Promise<readonly string[]> {
  const text = await psql(db, "select rolname from pg_roles where starts_with(rolname, 'todo_') and rolcanlogin");
  return text.split('\n').filter((line) => line !== '');
}

/** The login that the application's processes are started with. */
async function loginOf(web: Host): Promise<string> {
  const text = await web.sh("grep -ho 'DATABASE_USER=[^,]*' /etc/supervisor/conf.d/*");
  const [, login = ''] = /^DATABASE_USER="?(\w+)"?\n$/.exec(text) ?? [];
  assert.match(login, /^todo_[a-z2-7]{8}$/, text);
  return login;
}

async function logsIn(db: Host, user: string, password: string): Promise<boolean> {
  const question = ['psql', '-h', '127.0.0.1', '-U', user, '-d', 'todo', '-qAtc', 'select current_user'];
  const { code, stdout } = await db.exec(['env', `PGPASSWORD=${password}`, ...question]);
  if (code === 0) assert.equal(stdout.trim(), 'todo', 'a login acts as the role that it is of');
  return code === 0;
}
