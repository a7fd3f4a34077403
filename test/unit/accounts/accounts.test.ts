import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as v from 'valibot';
import { linuxAccounts } from '../../../agent/host/accounts/linux.ts';
import { linuxFiles } from '../../../agent/host/files/linux.ts';
import type { FileStat } from '../../../agent/host/files/port.ts';
import { describe as describeChange } from '../../../agent/resources/users/describe.ts';
import { creationArguments, diff } from '../../../agent/resources/users/diff.ts';
import type { UserSpec, UserState } from '../../../agent/resources/users/state.ts';
import { Secret } from '../../../desired-state/schema/secret.ts';
import { users } from '../../../desired-state/schema/users.ts';

describe('the account files', () => {
  const texts: Record<string, string> = {
    '/etc/passwd':
      'root:x:0:0:root:/root:/bin/bash\ntodo:x:999:998:The app:/srv/todo:/usr/sbin/nologin\ntoor:x:0:0::/root:/bin/sh\nbroken line\n+nis\n',
    '/etc/group': 'root:x:0:\nwebapps:x:998:todo,alice\nadm:x:4:todo\n',
    '/etc/shadow': 'root:*:1::::::\ntodo:!:1::::::\nalice:$y$j9T$x$y:1::::::\nbob::1::::::\n',
  };
  let reads = 0;
  const real = linuxFiles();
  const times = { mtime_ms: 1, ctime_ms: 1 };
  const accounts = linuxAccounts({
    ...real,
    statTarget: async (path): Promise<FileStat | undefined> => {
      const size_bytes = texts[path]?.length ?? 0;
      return { type: 'file', mode: 0o644, uid: 0, gid: 0, device: 1, inode: 1, links: 1, ...times, size_bytes };
    },
    readText: async (path) => {
      reads += 1;
      return texts[path];
    },
  });

  test('tell users, groups, members and whether a password is set', async () => {
    assert.equal((await accounts.user('todo'))?.uid, 999);
    assert.equal((await accounts.userById(0))?.name, 'root');
    assert.equal(await accounts.user('broken line'), undefined);
    assert.deepEqual(await accounts.groupsOf('todo'), ['webapps', 'adm']);
    assert.deepEqual(await accounts.usersOfPrimaryGroup(998), ['todo']);
    assert.deepEqual(
      await Promise.all(['todo', 'root', 'alice', 'bob', 'nobody'].map((name) => accounts.passwordState(name))),
      ['locked', 'locked', 'set', 'empty', undefined],
    );
  });

  test('are read again only when they changed', async () => {
    await accounts.user('todo');
    const before = reads;
    await accounts.user('root');
    assert.equal(reads, before);
    texts['/etc/passwd'] += 'new:x:1:1::/:/bin/sh\n';
    assert.equal((await accounts.user('new'))?.uid, 1);
    assert.equal(reads, before + 1);
  });
});

describe('a user', () => {
  const record = { name: 'todo', uid: 999, gid: 998, comment: 'x', home: '/srv/todo', shell: '/bin/bash' };
  const state: UserState = {
    record,
    groups: ['adm'],
    wantedGid: undefined,
    password: 'asDeclared',
    hasHome: true,
    processes: [],
  };

  function spec(entry: object): UserSpec {
    return { ...v.parse(users.entry, entry), name: 'todo' };
  }

  const CASES: readonly (readonly [string, object, Partial<UserState>, readonly string[]])[] = [
    ['as declared', {}, {}, []],
    [
      'whose everything differs',
      { uid: 1, group: 'g', home: '/h', shell: '/s', comment: 'c', groups: ['a', 'b'] },
      { wantedGid: 5 },
      [
        'destructive: set uid 1 (is 999), group g (is gid 998), home /h (is /srv/todo), shell /s (is /bin/bash), comment "c" (is "x"), groups a, b (is adm)',
      ],
    ],
    ['whose groups stand in another order', { groups: ['b', 'adm'] }, { groups: ['adm', 'b'] }, []],
    [
      'that is not there',
      { system: true, group: 'g' },
      { record: undefined, hasHome: false },
      ['none: make the system user, in g'],
    ],
    [
      'that is not there and has a home',
      {},
      { record: undefined, hasHome: false },
      ['none: make the user, in todo', 'none: make the home directory /home/todo'],
    ],
    ['with another password', { password: new Secret('$6$s$h') }, { password: 'differs' }, ['none: set the password']],
    ['that is not locked', { locked: true }, { password: 'notLocked' }, ['none: lock the password']],
    ['that shall go', { ensure: 'absent' }, {}, ['destructive: remove the user']],
    ['that shall not be there and is not', { ensure: 'absent' }, { record: undefined }, []],
  ];
  for (const [title, entry, more, expected] of CASES) {
    test(`${title}: ${expected.join('; ') || 'nothing to do'}`, () => {
      const said = diff(spec(entry), { ...state, ...more }).map((change) => {
        const { hazard, summary } = describeChange(change);
        return `${hazard}: ${summary}`;
      });
      assert.deepEqual(said, expected);
    });
  }

  test('is made with a group of its own only where that group is not there', () => {
    const args = creationArguments(spec({ system: true, home: '/srv/todo', groups: ['adm'] }), false);
    assert.equal(
      args.join(' '),
      '--home-dir /srv/todo --no-create-home --shell /usr/sbin/nologin --user-group --groups adm --system -- todo',
    );
    assert.ok(creationArguments(spec({}), true).join(' ').includes('--gid todo'));
  });

  test('is refused a password in clear', () => {
    assert.throws(() => spec({ password: 'secret' }), /expected a password hash/);
    assert.throws(() => spec({ password: new Secret('secret') }), /expected a password hash/);
  });
});
