/** What files, directories, symlinks and users refuse, or what the machine refuses them: nothing may be lost or left over. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Host, startHost } from '../hosts/host.ts';
import { AgentOnHost, differences, resourceOf, type Sections } from './agent-on-host.ts';

let host: Host;
let agent: AgentOnHost;

before(async () => {
  host = await startHost();
  agent = await AgentOnHost.install(host);
});

after(() => host.dispose());

interface Refusal {
  readonly sections: Sections;
  readonly resource: string;
  readonly error: RegExp;
  readonly status?: 'stalled' | 'failed';
}

/** The run fails with the error, and `tree` is as it was. */
async function refuses({ sections, resource, error, status = 'stalled' }: Refusal, tree?: string): Promise<void> {
  const look = tree === undefined ? 'true' : `find ${tree} -printf '%p %y %m %U %s %l\\n' | sort`;
  const before_ = await host.sh(look);
  await agent.writeManifest(sections);
  const { code, result } = await agent.run();
  const found = resourceOf(result, resource);
  assert.equal(code, 1, differences(result).join('\n'));
  assert.match(found.error ?? '', error);
  assert.equal(found.status, status);
  assert.equal(await host.sh(look), before_, 'something changed or was left over');
}

async function converges(sections: Sections): Promise<void> {
  await agent.writeManifest(sections);
  const { code, result, stderr } = await agent.run();
  assert.equal(code, 0, `${stderr}${differences(result).join('\n')}`);
  assert.equal((await agent.plan()).code, 0);
}

test('a directory with something in it stands in the place of a file: refused, and replaced by consent', async () => {
  await host.sh('mkdir -p /root/a/file/with; touch /root/a/file/with/data');
  const file = { content: 'x\n' };
  await refuses(
    {
      sections: { files: { '/root/a/file': file } },
      resource: 'files//root/a/file',
      error: /is a directory that holds data: move it away, or set "force: true"/,
    },
    '/root/a',
  );
  await converges({ files: { '/root/a/file': { ...file, force: true } } });
});

test('a file with content stands in the place of a directory or a symlink: refused, and replaced by consent', async () => {
  await host.sh('mkdir /root/b; echo data >/root/b/one; echo data >/root/b/two');
  const directory = { directories: { '/root/b/one': {} } };
  const link = { symlinks: { '/root/b/two': { target: '/tmp' } } };
  await refuses(
    { sections: directory, resource: 'directories//root/b/one', error: /is a file that holds data/ },
    '/root/b',
  );
  await refuses({ sections: link, resource: 'symlinks//root/b/two', error: /is a file that holds data/ }, '/root/b');
  await converges({
    directories: { '/root/b/one': { force: true } },
    symlinks: { '/root/b/two': { target: '/tmp', force: true } },
  });
});

test('a symlink to a directory in the place of a directory is not replaced without consent', async () => {
  await host.sh('mkdir -p /root/c/real; touch /root/c/real/data; ln -s real /root/c/dir');
  await refuses(
    {
      sections: { directories: { '/root/c/dir': {} } },
      resource: 'directories//root/c/dir',
      error: /a symlink to a directory/,
    },
    '/root/c',
  );
  await converges({ directories: { '/root/c/dir': { force: true } } });
  await host.sh('test -f /root/c/real/data');
});

test('a directory with something in it is not removed without consent', async () => {
  await host.sh('mkdir -p /root/d/full; touch /root/d/full/data');
  await refuses(
    {
      sections: { directories: { '/root/d/full': 'absent' } },
      resource: 'directories//root/d/full',
      error: /holds data/,
    },
    '/root/d',
  );
  await converges({ directories: { '/root/d/full': { ensure: 'absent', force: true } } });
  await host.sh('test ! -e /root/d/full');
});

test('a purge takes what is small and refuses a directory with something in it', async () => {
  await host.sh('mkdir -p /root/p/full; touch /root/p/full/data');
  const purged = { directories: { '/root/p': { purge: true, mode: '0755' } } };
  await refuses(
    { sections: purged, resource: 'directories//root/p', error: /not empty: full; name them in "keep"/ },
    '/root/p',
  );
  await converges({ directories: { '/root/p': { purge: true, force: true } } });
  assert.equal(await host.sh('ls -A /root/p'), '');
});

test('a tree with a hard link to a file of somebody else is not given away with it', async () => {
  await host.sh('mkdir /root/h; cp /etc/shadow /root/shadow; ln /root/shadow /root/h/link; useradd --system carol');
  const tree = { directories: { '/root/h': { owner: 'carol', recurse: {} } } };
  await refuses({ sections: tree, resource: 'directories//root/h', error: /more than one hard link/ });
  assert.equal((await host.sh('stat -c %U /root/shadow')).trim(), 'root');
});

test('a symlink to itself is refused', () =>
  refuses({
    sections: { symlinks: { '/root/self': { target: 'self' } } },
    resource: 'symlinks//root/self',
    error: /would be a symlink to itself/,
  }));

test('a full disk leaves the old file whole and nothing beside it', async () => {
  await host.sh('mkdir /mnt/small; mount -t tmpfs -o size=128k tmpfs /mnt/small; echo old >/mnt/small/file');
  const files = { '/mnt/small/file': { content: 'x'.repeat(500_000) } };
  await refuses(
    {
      sections: { files },
      resource: 'files//mnt/small/file',
      error: /no space or no inodes are left.*df -h \/mnt\/small/,
      status: 'failed',
    },
    '/mnt/small',
  );
  await host.sh('mount -o remount,size=4m /mnt/small');
  await converges({ files });
});

test('a read-only file system is named as such', async () => {
  await host.sh('mount -o remount,ro /mnt/small');
  const files = { '/mnt/small/file': { content: 'other\n' } };
  await refuses(
    { sections: { files }, resource: 'files//mnt/small/file', error: /mounted read-only.*findmnt/, status: 'failed' },
    '/mnt/small',
  );
  await host.sh('mount -o remount,rw /mnt/small');
  await converges({ files });
});

test('a mount point is not removed with what is mounted there', async () => {
  await refuses(
    {
      sections: { directories: { '/mnt/small': { ensure: 'absent', force: true } } },
      resource: 'directories//mnt/small',
      error: /another file system is mounted there/,
      status: 'failed',
    },
    '/mnt/small',
  );
  await host.sh('umount /mnt/small');
});

test('a missing parent directory and a parent that is a file are named', async () => {
  await host.sh('touch /root/plain');
  const missing = { files: { '/root/no/such/file': { content: '' } } };
  const below = { files: { '/root/plain/file': { content: '' } } };
  await refuses({
    sections: missing,
    resource: 'files//root/no/such/file',
    error: /no directory \/root\/no:/,
    status: 'failed',
  });
  await refuses({
    sections: below,
    resource: 'files//root/plain/file',
    error: /\/root\/plain is not a directory/,
    status: 'failed',
  });
});

test('an owner that the host lacks is named', () =>
  refuses({
    sections: { files: { '/root/owned': { content: '', owner: 'nobody-here' } } },
    resource: 'files//root/owned',
    error: /does not have: declare users\/nobody-here/,
    status: 'failed',
  }));

test('the symlink of an unprivileged user does not lead the agent out of his directory', async () => {
  await host.sh('useradd -m eve; su eve -c "ln -s /etc/cron.d /home/eve/jobs"');
  await refuses(
    {
      sections: { files: { '/home/eve/jobs/job': { content: '* * * * * root true\n', owner: 'eve' } } },
      resource: 'files//home/eve/jobs/job',
      error: /refused to follow a symlink in \/home\/eve\/jobs: it belongs to uid \d+/,
      status: 'failed',
    },
    '/etc/cron.d /home/eve',
  );
});

test('a user whose processes run is not removed, and is when they have ended', async () => {
  await host.sh('systemd-run --quiet --uid=eve --unit=eves sleep infinity');
  const sections = { users: { eve: 'absent' } };
  await refuses({ sections, resource: 'users/eve', error: /while its processes run: sleep \(\d+\)/, status: 'failed' });
  await host.sh('systemctl stop eves');
  await converges(sections);
});

test('a group that is the primary group of a user is not removed', async () => {
  await host.sh('useradd -m dave');
  await refuses({
    sections: { groups: { dave: 'absent' } },
    resource: 'groups/dave',
    error: /primary group of dave/,
    status: 'failed',
  });
});

test('the administrator is not removed', () =>
  refuses({
    sections: { users: { root: 'absent' } },
    resource: 'users/root',
    error: /does not remove the administrator/,
  }));

test('an agent that is killed at any moment of writing many files leaves nothing that the next run does not mend', async () => {
  const names = Array.from({ length: 300 }, (_, index) => `/root/many/${index}`);
  const files = Object.fromEntries(names.map((name) => [name, { content: `${name}\n`.repeat(1000), mode: '0600' }]));
  await agent.writeManifest({ directories: { '/root/many': {} }, files });
  for (const written of [1, 20, 77, 150, 240]) {
    await host.sh(
      `rm -rf /root/many; set -m; holdfast-agent run --once >/dev/null 2>&1 & run=$!
       until [ "$(ls -A /root/many 2>/dev/null | wc -l)" -ge ${written} ]; do :; done
       kill -KILL -- -$run || true # it may have ended just before
       wait || true`,
      { timeout_ms: 60_000 },
    );
    const whole = await host.sh(
      `shopt -s nullglob; for f in /root/many/[0-9]*; do stat -c '%s %a' "$f"; done | sort -u | awk '$1 < 13000 || $2 != 600'`,
    );
    assert.equal(whole, '', 'a file was half written, or readable by others');
  }
  // One is to be written in any case, even where the last run was killed a moment too late.
  await host.sh('rm -f /root/many/0; touch /root/many/.holdfast-999999-7-1');
  await converges({ directories: { '/root/many': {} }, files });
  assert.equal((await host.sh('ls -A /root/many | grep -c .')).trim(), '300');
});
