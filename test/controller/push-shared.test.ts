/** Pushes to two controllers that share a real PostgreSQL database. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { until } from '../programs/controller/bench.ts';
import { type Ended, WorkTree } from '../programs/controller/git/bench.ts';
import { type ControllerProcess, startController } from './controller-process.ts';
import { type DatabaseHost, startDatabaseHost } from './database-host.ts';

let database: DatabaseHost;
let folder: string;
let one: ControllerProcess;
let two: ControllerProcess;
let work: WorkTree;
const closers: (() => Promise<void> | void)[] = [];
const context = { after: (close: () => Promise<void> | void) => void closers.push(close) };

before(async () => {
  database = await startDatabaseHost();
  folder = await mkdtemp(join(tmpdir(), 'holdfast-push-shared-'));
  const urlFile = join(folder, 'database.url');
  await writeFile(urlFile, await database.createDatabase(), { mode: 0o600 });
  const args = ['--database-url-file', urlFile];
  one = await startController({ hosted: true, args });
  // What controllers of one database have in common.
  const other = join(folder, 'two');
  await mkdir(join(other, 'state'), { recursive: true, mode: 0o700 });
  for (const name of ['ca.crt', 'ca.key', 'master.key', 'admin.token', 'age.key']) {
    await cp(join(one.stateDirectory, name), join(other, 'state', name));
  }
  two = await startController({ hosted: true, args, folder: other });
  work = await WorkTree.create(context);
});

after(async () => {
  await one?.stop();
  await two?.stop();
  for (const close of closers) await close();
  await database?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

function push({ url, operator, stateDirectory }: ControllerProcess): Promise<Ended> {
  const token = ['-c', `http.extraHeader=Authorization: Bearer ${operator.token}`];
  const args = [...token, 'push', `${url}/desired-state.git`, 'HEAD:main'];
  return work.tryGit(args, { GIT_SSL_CAINFO: join(stateDirectory, 'ca.crt') }).ended;
}

async function served({ operator }: ControllerProcess): Promise<string | undefined> {
  const { served: good } = (await operator.call({ path: '/v1/status' })).json<{ served?: { revision: string } }>();
  return good?.revision;
}

const change = (text: string): Promise<string> =>
  work.commit({ 'roles/web.yaml': `services: { nginx: running }\nfiles: { /etc/note: { content: ${text} } }\n` });

test('a push to one is served by the other within a second, and a push to the other goes on from there', async () => {
  for (const [index, to] of [one, two, one, two].entries()) {
    const revision = await change(`push-${index}`);
    const { code, text } = await push(to);
    assert.equal(code, 0, text);
    assert.equal(await served(to), revision);
    await until('both serve it', async () => (await served(to === one ? two : one)) === revision, 1000);
  }
});

test('a controller that is killed, and has lost its disk, has the branch again when it starts', async () => {
  const ended = once(two.process, 'exit');
  two.process.kill('SIGKILL');
  await ended;
  const revision = await change('while-away');
  assert.equal((await push(one)).code, 0);
  await rm(join(two.stateDirectory, 'desired-state.git'), { recursive: true });
  const args = ['--database-url-file', join(folder, 'database.url')];
  two = await startController({ hosted: true, args, folder: two.folder });
  assert.equal(await served(two), revision);
  const next = await change('back');
  const { code, text } = await push(two);
  assert.equal(code, 0, text);
  await until('the one has it', async () => (await served(one)) === next, 1000);
});
