import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { freePort } from '../../../../bench/fleet/free-port.ts';
import { mustRun } from '../../../hosts/process.ts';
import { scratch } from '../git.ts';
import { startGitBench, WorkTree } from './bench.ts';

const SSHD = '/usr/sbin/sshd';

/** An SSH server for the user of this process alone; how git reaches it. */
async function startSshd(context: TestContext): Promise<{ readonly url: string; readonly command: string }> {
  const folder = await scratch(context);
  const at = (name: string): string => join(folder, name);
  for (const key of ['host', 'user']) {
    await mustRun(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', key, '-f', at(key)]);
  }
  await writeFile(at('authorized'), await readFile(at('user.pub')));
  await chmod(at('authorized'), 0o600);
  const port = await freePort();
  const [type, key] = (await readFile(at('host.pub'), 'utf8')).split(' ');
  await writeFile(at('known'), `[127.0.0.1]:${port} ${type} ${key}\n`);
  const lines = [
    `ListenAddress 127.0.0.1:${port}`,
    `HostKey ${at('host')}`,
    `AuthorizedKeysFile ${at('authorized')}`,
    `PidFile ${at('pid')}`,
    'AuthenticationMethods publickey',
    'StrictModes no',
    'UsePAM no',
  ];
  await writeFile(at('config'), `${lines.join('\n')}\n`);
  // Where it has no rights while nobody has logged in.
  await mkdir('/run/sshd', { recursive: true, mode: 0o755 });
  const server = spawn(SSHD, ['-D', '-e', '-f', at('config')], { stdio: ['ignore', 'ignore', 'pipe'] });
  context.after(() => server.kill());
  let said = '';
  server.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  while (!said.includes('listening')) {
    const [event] = await Promise.race([once(server.stderr, 'data'), once(server, 'exit').then(() => ['exit'])]);
    assert.notEqual(event, 'exit', said);
  }
  const options = [
    'IdentitiesOnly=yes',
    `UserKnownHostsFile=${at('known')}`,
    'StrictHostKeyChecking=yes',
    'BatchMode=yes',
  ];
  const command = ['ssh', '-F', 'none', '-i', at('user'), ...options.flatMap((option) => ['-o', option])].join(' ');
  return { url: `ssh://${userInfo().username}@127.0.0.1:${port}`, command };
}

test('a push over SSH goes through the same hooks, and the audit log has the account and from where it came', {
  skip: !existsSync(SSHD) && 'openssh-server is not installed',
}, async (context) => {
  const { url, command } = await startSshd(context);
  const bench = await startGitBench(context);
  const work = await WorkTree.create(context, { 'roles/web.yaml': 'servces: {}\n' });
  const push = (): ReturnType<WorkTree['push']> =>
    work.tryGit(['push', `${url}${bench.hosting.repository.path}`, 'HEAD:main'], { GIT_SSH_COMMAND: command }).ended;
  const broken = await push();
  assert.equal(broken.code, 1, broken.text);
  assert.match(broken.remote[0] ?? '', /roles\/web\.yaml:1:1 unknown key "servces", did you mean "services"\?/);
  await work.commit({ 'roles/web.yaml': 'services:\n  nginx: stopped\n' });
  const mended = await push();
  assert.equal(mended.code, 0, mended.text);
  const by = `user:${userInfo().username}`;
  assert.deepEqual(
    bench.fleet.begun.map((begun) => begun.by),
    [by],
  );
  const pushes = await bench.store.db.selectFrom('audit').select(['actor', 'address', 'action']).execute();
  assert.ok(
    pushes.some((entry) => entry.actor === by && entry.address === '127.0.0.1'),
    JSON.stringify(pushes),
  );
});
