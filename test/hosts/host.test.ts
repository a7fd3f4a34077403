import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Host, startHost } from './host.ts';

let host: Host;
before(async () => {
  host = await startHost({ name: 'web-1' });
});
after(() => host.dispose());

test('a blank host boots with systemd as its first process and no failed unit', async () => {
  assert.equal((await host.readFile('/proc/1/comm')).trim(), 'systemd');
  assert.equal((await host.mustExec(['systemctl', 'is-system-running'])).trim(), 'running');
  assert.equal(await host.mustExec(['systemctl', 'list-units', '--failed', '--plain', '--no-legend']), '');
  assert.equal((await host.mustExec(['uname', '--nodename'])).trim(), 'web-1');
  assert.match(
    await host.mustExec(['ip', '-4', '-brief', 'address', 'show', 'eth0']),
    new RegExp(`${host.address}/24`),
  );
});

test('a blank host has a UTF-8 locale, and neither Python nor a server of the stack', async () => {
  assert.match(await host.mustExec(['locale', '-a']), /^en_US\.utf8$/m);
  for (const program of ['python3', 'nginx', 'supervisord', 'psql', 'git', 'gcc']) {
    assert.equal((await host.exec(['which', program])).code, 1, program);
  }
});

test('its package sources are plain Debian', async () => {
  const sources = (await host.sh('cat /etc/apt/sources.list; ls /etc/apt/sources.list.d')).trim().split('\n');
  assert.deepEqual(sources, [
    'deb http://deb.debian.org/debian bookworm main',
    'deb http://deb.debian.org/debian bookworm-updates main',
    'deb http://deb.debian.org/debian-security bookworm-security main',
  ]);
});

test('a command takes its arguments as they are, its input, user and environment, and ends at its bound', async () => {
  const odd = 'a b\n"\'$(id)ü';
  assert.equal((await host.exec(['printf', '%s', odd])).stdout, odd);
  assert.equal((await host.exec(['cat'], { input: odd })).stdout, odd);
  assert.equal((await host.exec(['id', '-un'], { user: 'www-data' })).stdout, 'www-data\n');
  assert.equal((await host.exec(['printenv', 'ODD'], { env: { ODD: odd } })).stdout, `${odd}\n`);
  assert.equal((await host.exec(['bash', '-c', 'exit 7'])).code, 7);
  assert.equal((await host.exec(['sleep', '60'], { timeout_ms: 200 })).code, 124);
  assert.equal((await host.exec(['pgrep', '-x', 'sleep'])).stdout, '');
  await assert.rejects(host.sh('echo reason >&2; false'), /web-1: .*status 1\nreason/s);
});

test('files are written with a mode, read back, and copied in', async () => {
  await host.writeFile('/srv/new/folder/ä file', 'line\n', '0640');
  assert.equal(await host.readFile('/srv/new/folder/ä file'), 'line\n');
  assert.equal(await host.mustExec(['stat', '-c', '%a %U', '/srv/new/folder/ä file']), '640 root\n');
  await host.copyIn(import.meta.filename, '/srv/copied.ts');
  assert.match(await host.readFile('/srv/copied.ts'), /^import assert/);
});

test('a host can set its own network settings and no others of the machine', async () => {
  await host.mustExec(['sysctl', '-w', 'net.core.somaxconn=4321']);
  assert.notEqual((await host.exec(['sysctl', '-w', 'vm.swappiness=61'])).code, 0);
});

test('a full disk refuses a write with "No space left on device" until it is freed', async () => {
  await host.writeFile('/srv/full/old', 'kept');
  await host.sh('chmod 2750 /srv/full; chown 33:34 /srv/full');
  await host.fillDisk('/srv/full');
  assert.equal(await host.readFile('/srv/full/old'), 'kept');
  assert.equal(await host.mustExec(['stat', '-c', '%a %u %g', '/srv/full']), '2750 33 34\n');
  const refused = await host.exec(['dd', 'if=/dev/zero', 'of=/srv/full/new', 'bs=64k', 'count=1']);
  assert.match(refused.stderr, /No space left on device/);
  await host.fillDisk('/srv/full', { free_kib: 64 });
  await host.mustExec(['dd', 'if=/dev/zero', 'of=/srv/full/new', 'bs=16k', 'count=1']);
  await host.freeDisk('/srv/full');
  await host.mustExec(['dd', 'if=/dev/zero', 'of=/srv/full/new', 'bs=64k', 'count=16']);
});

test('a reboot ends what ran, empties /run and keeps the disk and the address', async () => {
  await host.sh('echo kept >/srv/disk; echo lost >/run/memory; systemd-run --quiet sleep 1000');
  await host.restart();
  assert.equal(await host.readFile('/srv/disk'), 'kept\n');
  assert.equal((await host.exec(['test', '-e', '/run/memory'])).code, 1);
  assert.equal((await host.exec(['pgrep', '-x', 'sleep'])).stdout, '');
  assert.match(
    await host.mustExec(['ip', '-4', '-brief', 'address', 'show', 'eth0']),
    new RegExp(`${host.address}/24`),
  );
});

test('a host whose plug was pulled answers nothing until it boots again', async () => {
  await host.kill();
  await assert.rejects(host.mustExec(['true']));
  await host.restart();
  assert.equal((await host.mustExec(['systemctl', 'is-system-running'])).trim(), 'running');
});
