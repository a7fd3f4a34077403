import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { diffSnapshots } from './diff-snapshots.ts';
import { type Host, startHost } from './host.ts';

let host: Host;
before(async () => {
  host = await startHost({ name: 'db' });
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  const packages = ['postgresql', 'cowsay'];
  await host.mustExec(['apt-get', '-y', '--no-install-recommends', 'install', ...packages], {
    env,
    timeout_ms: 600_000,
  });
});
after(() => host.dispose());

/** What differs after `script` was run on the host. */
async function differencesAfter(script: string): Promise<readonly string[]> {
  const earlier = await host.snapshot();
  await host.sh(script);
  return diffSnapshots(earlier, await host.snapshot());
}

test('two snapshots with nothing in between are alike', async () => {
  assert.deepEqual(await differencesAfter('cat /etc/passwd >/dev/null; psql --version'), []);
});

test('every kind of change to a file is found', async () => {
  await host.sh('mkdir /srv/t; cd /srv/t; touch mode owner same gone; echo a >content; ln -s a link; echo a >times');
  const found = await differencesAfter(`
    cd /srv/t; chmod 600 mode; chown 33 owner; rm gone; echo b >content; ln -sfn b link; mkdir new
    touch -r times ref; echo b >times; touch -r ref times; rm ref; cp same x; mv x same`);
  const changed = new Map(found.map((line) => [line.split(': ')[0], line]));
  assert.match(changed.get('file /srv/t/mode') ?? '', /mode 0644 → 0600/);
  assert.match(changed.get('file /srv/t/owner') ?? '', /uid 0 → 33/);
  assert.match(changed.get('file /srv/t/gone') ?? '', /gone \(was file\)/);
  assert.match(changed.get('file /srv/t/content') ?? '', /content/);
  assert.match(changed.get('file /srv/t/link') ?? '', /content a → b/);
  assert.match(changed.get('file /srv/t/new') ?? '', /new \(folder\)/);
  assert.match(changed.get('file /srv/t/times') ?? '', /content/, 'content of the same size with the old mtime');
  assert.match(changed.get('file /srv/t/same') ?? '', /ctime/, 'a file rewritten with what it held');
});

test('a file that was broken and restored differs in its times only', async () => {
  const earlier = await host.snapshot();
  await host.sh(
    'cp -a /etc/debian_version /root/x; echo x >>/etc/debian_version; cat /root/x >/etc/debian_version; rm /root/x',
  );
  const later = await host.snapshot();
  assert.deepEqual(diffSnapshots(earlier, later, { compare: 'result' }), []);
  assert.match(diffSnapshots(earlier, later).join('\n'), /debian_version: mtime_ns/);
});

test('a file written under a folder that the caller ignores is not a difference', async () => {
  const earlier = await host.snapshot();
  await host.sh('touch /srv/ignored');
  assert.deepEqual(diffSnapshots(earlier, await host.snapshot(), { ignore: ['/srv'] }), []);
});

test('a package that is removed, held or changed by hand is found', async () => {
  const held = await differencesAfter('apt-mark hold cowsay');
  assert.match(held.join('\n'), /package gone: cowsay:all \S+ ii\s*\n.*package new: cowsay:all \S+ hi/s);
  const edited = await differencesAfter('echo >>/usr/games/cowsay');
  assert.match(edited.join('\n'), /file \/usr\/games\/cowsay: size/);
});

test('a process that was restarted is found', async () => {
  const found = await differencesAfter('systemctl restart systemd-journald');
  assert.match(found.join('\n'), /process gone: .*systemd-journald\n.*process new: .*systemd-journald/s);
});

test('a session of PostgreSQL is found as its client alone: its end outlives the client by a moment', async () => {
  const found = await differencesAfter(`systemd-run --quiet --unit session --uid postgres psql -c 'select pg_sleep(600)'
    timeout 30 bash -c 'until pgrep --full "^postgres: .* SELECT" >/dev/null; do :; done'`);
  await host.sh('systemctl stop session');
  assert.match(found.join('\n'), /process new: .*psql -c select pg_sleep/);
  assert.doesNotMatch(found.join('\n'), /process new: .*postgres: /);
});

test("a change of PostgreSQL's roles, grants and settings is found", async () => {
  const sql = (statement: string) => `su postgres -c "psql -qc '${statement}'"`;
  const role = await differencesAfter(sql('create role todo login'));
  assert.match(role.join('\n'), /postgres new: CREATE ROLE todo;/);
  const grant = await differencesAfter(sql('grant create on schema public to todo'));
  assert.match(grant.join('\n'), /postgres new: GRANT CREATE ON SCHEMA public TO todo;/);
  const setting = await differencesAfter(
    `${sql('alter system set work_mem = 8192')}; ${sql('select pg_reload_conf()')}`,
  );
  assert.match(setting.join('\n'), /postgres new: setting work_mem = 8192 from configuration file/);
});
