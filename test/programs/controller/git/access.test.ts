import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { parseHead } from '../../../../controller/git/cgi.ts';
import { until } from '../bench.ts';
import { startGitBench, WorkTree } from './bench.ts';

test('pushing takes the role deploy, fetching read, and nothing goes without a token', async (context) => {
  const bench = await startGitBench(context);
  const work = await WorkTree.create(context);
  const nobody = await work.push(bench.url('nobody'));
  assert.notEqual(nobody.code, 0);
  assert.match(nobody.text, /could not read Username|terminal prompts disabled/);
  const reader = await work.push(bench.url('read'));
  assert.notEqual(reader.code, 0);
  assert.match(reader.text, /remote: the token "ann-read" has the role read: pushing takes deploy/);
  const wrong = await work.push(bench.url().replace(/hf_\w{12}_[\w-]{43}/, `hf_${'0'.repeat(12)}_${'A'.repeat(43)}`));
  assert.notEqual(wrong.code, 0);
  assert.match(wrong.text, /Authentication failed/);
  assert.deepEqual(bench.fleet.begun, []);
  assert.equal((await work.push(bench.url())).code, 0);
  assert.equal(
    await work.git('ls-remote', bench.url('read'), 'refs/heads/main'),
    `${await work.git('rev-parse', 'HEAD')}\trefs/heads/main`,
  );
  const bearer = ['-c', `http.extraHeader=Authorization: Bearer ${bench.token('read')}`, 'ls-remote'];
  assert.match(await work.git(...bearer, bench.url('nobody')), /refs\/heads\/main/);
});

test('many pushes in a row are no failed attempts, though git asks without a token first', async (context) => {
  const bench = await startGitBench(context);
  const work = await WorkTree.create(context);
  for (let times = 0; times < 15; times += 1) await work.git('ls-remote', bench.url('read'));
  assert.deepEqual(await bench.audited(), []);
});

test('nothing of the repository but git’s three requests can be asked for', async (context) => {
  const bench = await startGitBench(context);
  const work = await WorkTree.create(context);
  await work.push(bench.url());
  const get = async (path: string): Promise<number> => {
    const headers = { authorization: `Bearer ${bench.token('admin')}` };
    return (await fetch(`${bench.origin}${path}`, { headers })).status;
  };
  assert.equal(await get('/desired-state.git/info/refs?service=git-upload-pack'), 200);
  assert.equal(await get('/desired-state.git/info/refs'), 403);
  assert.equal(await get('/desired-state.git/info/refs?service=git-upload-archive'), 403);
  for (const path of [
    'HEAD',
    'config',
    'objects/info/packs',
    '../controller.db',
    '%2e%2e/controller.db',
    'git-receive-pack',
  ]) {
    assert.equal(await get(`/desired-state.git/${path}`), 404, path);
  }
  const kept = await work.git('ls-remote', bench.url('read'));
  assert.doesNotMatch(kept, /refs\/holdfast/);
});

test('a compressed request is taken as git sends it', async (context) => {
  const bench = await startGitBench(context);
  const work = await WorkTree.create(context);
  await work.push(bench.url());
  const revision = await work.git('rev-parse', 'HEAD');
  const line = (text: string): string => `${(text.length + 4).toString(16).padStart(4, '0')}${text}`;
  const body = gzipSync(`${line(`want ${revision} no-progress\n`)}0000${line('done\n')}`);
  const answer = await fetch(`${bench.origin}/desired-state.git/git-upload-pack`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${bench.token('read')}`,
      'content-type': 'application/x-git-upload-pack-request',
      'content-encoding': 'gzip',
    },
    body,
  });
  assert.equal(answer.status, 200);
  const text = Buffer.from(await answer.arrayBuffer()).toString('latin1');
  assert.match(text, /PACK/);
});

test('a body that does not go on is given up', async (context) => {
  const bench = await startGitBench(context, { http: { bodyIdle_ms: 200 } });
  const { hostname, port } = new URL(bench.origin);
  const socket = connect(Number(port), hostname);
  context.after(() => socket.destroy());
  socket.write(
    `POST /desired-state.git/git-receive-pack HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${bench.token('deploy')}\r\n` +
      'Content-Type: application/x-git-receive-pack-request\r\nContent-Length: 1000\r\n\r\n00',
  );
  let text = '';
  socket.setEncoding('utf8');
  socket.on('data', (chunk: string) => {
    text += chunk;
  });
  await new Promise((resolve) => {
    socket.once('close', resolve);
  });
  // Git begins to answer before it has read: that answer has no end.
  assert.doesNotMatch(text, /\r\n0\r\n/);
});

test('no more pushes at once than are bearable', async (context) => {
  const bench = await startGitBench(context, { http: { pushes: 1 } });
  const work = await WorkTree.create(context);
  const going = Promise.withResolvers<void>();
  const planning = Promise.withResolvers<void>();
  const { plan } = bench.fleet;
  bench.fleet.plan = (compilation) => {
    planning.resolve();
    return plan(compilation);
  };
  bench.fleet.hold = going.promise;
  const first = work.push(bench.url());
  await planning.promise;
  const second = await work.push(bench.url());
  assert.notEqual(second.code, 0);
  assert.match(second.text, /remote: 1 pushes are under way/);
  going.resolve();
  assert.equal((await first).code, 0);
  await until('the place is free', async () => (await work.push(bench.url())).code === 0);
});

test('the head of an answer of git http-backend becomes one of HTTP', () => {
  assert.deepEqual(parseHead('Status: 404 Not Found\r\nCache-Control: no-cache'), {
    status: 404,
    headers: { 'cache-control': 'no-cache' },
  });
  assert.deepEqual(parseHead('Content-Type: x'), { status: 200, headers: { 'content-type': 'x' } });
});
