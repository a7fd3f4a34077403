import assert from 'node:assert/strict';
import { Secret } from '../../desired-state/schema/secret.ts';
import type { Host } from '../hosts/host.ts';
import { type Breakage, conformance } from './harness.ts';

/** crypt(5) of "correct horse", made by `openssl passwd -6`. */
const HASH = '$6$holdfastsalt$2YhFxSlQ5K0lqK8rUO0mF3j0yGq3m1J7Wg2bq3cVgCq0o3c0nJ7h8cQyJb0o1lRjCwq3i5rV9w8kZp1sX2dT0/';

async function isAsDeclared(host: Host): Promise<void> {
  assert.match(
    await host.sh('getent passwd todo'),
    /^todo:x:\d+:\d+:The todo application:\/srv\/todo:\/usr\/sbin\/nologin$/m,
  );
  assert.equal((await host.sh('id -gn todo')).trim(), 'webapps');
  assert.equal((await host.sh('id -Gn todo')).trim(), 'webapps adm');
  assert.match(await host.sh('getent passwd alice'), /^alice:x:4321:\d+::\/home\/alice:\/bin\/bash$/m);
  assert.equal((await host.sh('stat -c "%U:%G %a" /home/alice')).trim(), 'alice:alice 700');
  assert.equal((await host.sh('stat -c "%U:%G" /home/alice/.profile')).trim(), 'alice:alice');
  assert.equal((await host.sh('awk -F: \'$1 == "alice" { print $2 }\' /etc/shadow')).trim(), HASH);
  assert.match(await host.sh('awk -F: \'$1 == "bob" { print $2 }\' /etc/shadow'), /^!/);
  assert.equal((await host.sh('getent group staff-of-todo')).trim(), 'staff-of-todo:x:4444:');
  assert.equal((await host.sh('getent passwd mallory || true')).trim(), '');
  assert.equal((await host.sh('getent group old-group || true')).trim(), '');
}

function user(name: string, by: string, who: string, summary: RegExp, more: Partial<Breakage> = {}): Breakage {
  return { name, by, expect: { resource: `users/${who}`, summary }, alsoCheck: isAsDeclared, ...more };
}

function group(name: string, by: string, which: string, summary: RegExp): Breakage {
  return { name, by, expect: { resource: `groups/${which}`, summary }, alsoCheck: isAsDeclared };
}

conformance({
  title: 'users and groups',
  prepare: 'useradd -m mallory; groupadd old-group',
  sections: {
    groups: { webapps: { system: true }, 'staff-of-todo': { gid: 4444 }, 'old-group': 'absent' },
    users: {
      todo: {
        system: true,
        group: 'webapps',
        groups: ['adm'],
        home: '/srv/todo',
        comment: 'The todo application',
        shell: '/usr/sbin/nologin',
      },
      alice: { uid: 4321, shell: '/bin/bash', password: new Secret(HASH), groups: [] },
      bob: { locked: true },
      mallory: { ensure: 'absent', remove_home: true },
    },
  },
  check: async (host) => {
    await isAsDeclared(host);
    await host.sh(
      'test ! -e /home/mallory; journalctl --no-pager >/tmp/journal; ! grep -rF "$HASH" /var/log /tmp/journal',
      {
        env: { HASH },
      },
    );
    await host.sh('rm /tmp/journal');
  },
  breakages: [
    user('a user is removed', 'userdel alice', 'alice', /^make the user, in alice$/, {
      expect: [
        { resource: 'users/alice', summary: /^make the user, in alice$/ },
        { resource: 'users/alice', summary: /^set the password$/ },
      ],
    }),
    user('the shell is changed', 'usermod -s /bin/sh alice', 'alice', /^set shell \/bin\/bash \(is \/bin\/sh\)$/),
    user('the comment is changed', 'usermod -c x todo', 'todo', /^set comment "The todo application" \(is "x"\)$/),
    user('the home is changed', 'usermod -d /tmp todo', 'todo', /^set home \/srv\/todo \(is \/tmp\)$/),
    user('the primary group is changed', 'usermod -g adm todo', 'todo', /^set group webapps \(is gid \d+\)/),
    user('he is added to a powerful group', 'usermod -aG sudo todo', 'todo', /^set groups adm \(is adm, sudo\)$/),
    user(
      'he is added to a group and shall be in none',
      'gpasswd -a alice sudo',
      'alice',
      /^set groups none \(is sudo\)$/,
    ),
    user('he is taken out of a group', 'gpasswd -d todo adm', 'todo', /^set groups adm \(is none\)$/),
    user('the password is changed', 'echo alice:other | chpasswd', 'alice', /^set the password$/),
    user('the password is emptied', 'passwd -d alice', 'alice', /^set the password$/),
    user('a locked user gets a password', 'echo bob:guess | chpasswd', 'bob', /^lock the password$/),
    user('the uid is changed', 'usermod -u 4999 alice', 'alice', /^set uid 4321 \(is 4999\)$/, {
      expect: { resource: 'users/alice', summary: /^set uid 4321/, hazard: 'destructive' },
    }),
    user('the home directory is gone', 'rm -r /home/alice', 'alice', /^make the home directory \/home\/alice$/),
    user(
      'the home directory is gone, and an agent was killed while it made one',
      'rm -r /home/alice; mkdir -p /home/.holdfast-home-alice/half',
      'alice',
      /^make the home directory/,
    ),
    user(
      'a user that shall be absent is back',
      'useradd -m mallory',
      'mallory',
      /^remove the user with its home directory$/,
    ),
    group('a group is removed', 'groupdel staff-of-todo', 'staff-of-todo', /^make the group with gid 4444$/),
    group('a gid is changed', 'groupmod -g 4445 staff-of-todo', 'staff-of-todo', /^set gid 4444 \(is 4445\)/),
    group('a group that shall be absent is back', 'groupadd old-group', 'old-group', /^remove the group$/),
  ],
});
