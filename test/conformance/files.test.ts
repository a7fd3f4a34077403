import assert from 'node:assert/strict';
import { Secret } from '../../desired-state/schema/secret.ts';
import type { Host } from '../hosts/host.ts';
import { type Breakage, conformance } from './harness.ts';

const ODD_NAME = '/etc/holdfast test/quo"te\'s\nnew $line – ünï';
const CRLF = 'one\r\ntwo\r\n';
const NO_NEWLINE = 'no final newline';

async function isAsDeclared(host: Host): Promise<void> {
  const lines = [
    'root:root 644 regular file /etc/motd',
    'todo:todo 600 regular file /srv/app/secret.conf',
    'root:root 6755 regular file /srv/app/tool',
    'root:todo 2775 directory /srv/app/shared',
    'todo:todo 750 directory /srv/app',
    'root:root 777 symbolic link /srv/current',
  ];
  for (const line of lines) {
    const path = line.split(' ').at(-1) ?? '';
    assert.equal((await host.sh(`stat -c '%U:%G %a %F %n' ${path}`)).trim(), line);
  }
  assert.equal(await host.sh('cat /etc/motd'), 'Kept by Holdfast.\n');
  assert.equal(await host.sh('cat /srv/app/crlf'), CRLF);
  assert.equal(await host.sh('cat /srv/app/no-newline'), NO_NEWLINE);
  assert.equal(await host.readFile(ODD_NAME), 'odd\n');
  assert.equal((await host.sh('readlink /srv/current')).trim(), 'releases/1');
  assert.equal((await host.sh('find / -xdev -name ".holdfast-*" -not -path "/.holdfast-*"')).trim(), '', 'left over');
}

function file(name: string, by: string, path: string, summary: RegExp, more: Partial<Breakage> = {}): Breakage {
  return { name, by, expect: { resource: `files/${path}`, summary }, alsoCheck: isAsDeclared, ...more };
}

function directory(name: string, by: string, path: string, summary: RegExp): Breakage {
  return { name, by, expect: { resource: `directories/${path}`, summary }, alsoCheck: isAsDeclared };
}

function symlink(name: string, by: string, summary: RegExp): Breakage {
  return { name, by, expect: { resource: 'symlinks//srv/current', summary }, alsoCheck: isAsDeclared };
}

conformance({
  title: 'files, directories and symlinks with owners, modes and odd names',
  prepare: `useradd --system --user-group todo; umask 0077
    mkdir -p /etc/clutter.d/unmanaged.d; touch /etc/clutter.d/by-hand.conf /etc/remove-me
    ln -s /nowhere /etc/remove-link; mkdir /etc/remove-dir`,
  sections: {
    directories: {
      '/etc/holdfast test': {},
      '/srv/app': { owner: 'todo', group: 'todo', mode: '0750' },
      '/srv/app/shared': { group: 'todo', mode: '2775' },
      '/srv/tree': {
        owner: 'todo',
        group: 'todo',
        recurse: { files: '0640', directories: '0750' },
        keep: ['own/deep'],
      },
      '/srv/tree/own': { owner: 'todo', group: 'todo', mode: '0750' },
      '/etc/clutter.d': { purge: true, keep: ['kept.conf', 'sub/kept'] },
      '/etc/remove-dir': 'absent',
    },
    symlinks: { '/srv/current': { target: 'releases/1' }, '/etc/remove-link': 'absent' },
    files: {
      '/etc/motd': { content: 'Kept by Holdfast.\n' },
      '/srv/app/secret.conf': {
        content: new Secret('password = hunter2-hunter2\nuser = x\n', ['hunter2-hunter2']),
        owner: 'todo',
        group: 'todo',
        mode: '0600',
      },
      '/srv/app/tool': { content: '#!/bin/true\n', mode: '6755' },
      '/srv/app/crlf': { content: CRLF },
      '/srv/app/no-newline': { content: NO_NEWLINE },
      '/srv/app/empty': { content: '' },
      '/srv/app/large': { content: `${'0123456789abcdef'.repeat(4)}\n`.repeat(100_000) },
      [ODD_NAME]: { content: 'odd\n' },
      '/etc/clutter.d/kept.conf': { content: 'kept\n' },
      '/etc/remove-me': 'absent',
    },
  },
  check: isAsDeclared,
  breakages: [
    file('the text is edited', 'echo by hand >>/etc/motd', '/etc/motd', /^write 1 line$/),
    file('the final newline is lost', 'printf %s "Kept by Holdfast." >/etc/motd', '/etc/motd', /^write 1 line$/),
    file('a final newline is added', 'echo >>/srv/app/no-newline', '/srv/app/no-newline', /^write 1 line$/),
    file('CRLF becomes LF', "sed -i 's/\\r//' /srv/app/crlf", '/srv/app/crlf', /^write 2 lines$/),
    file(
      'the size and mtime are kept and one byte differs',
      'touch -r /etc/motd /tmp/ref; sed -i s/Kept/Bept/ /etc/motd; touch -r /tmp/ref /etc/motd; rm /tmp/ref',
      '/etc/motd',
      /^write 1 line$/,
    ),
    file('the file is removed', 'rm /etc/motd', '/etc/motd', /^write 1 line, root:root 0644$/),
    file('the file with an odd name is removed', 'rm /etc/holdfast*/*', ODD_NAME, /^write 1 line/),
    file('the mode is changed', 'chmod 0600 /etc/motd', '/etc/motd', /^set mode 0644 \(is 0600\)$/, {
      alsoCheck: isAsDeclared,
    }),
    file(
      'the mode is changed on a file with two names, which it keeps',
      'ln -f /etc/motd /root/second; chmod 0666 /etc/motd',
      '/etc/motd',
      /^set mode 0644/,
      {
        alsoCheck: async (host) => {
          assert.equal((await host.sh('stat -c "%h %a" /root/second')).trim(), '2 644');
          await host.sh('rm /root/second');
        },
      },
    ),
    file(
      'the content is changed on a file with two names, whose other name keeps what it has',
      'ln -f /etc/motd /root/second; echo by hand >/etc/motd',
      '/etc/motd',
      /^write 1 line/,
      {
        alsoCheck: async (host) => {
          assert.equal(await host.sh('cat /root/second'), 'by hand\n');
          await host.sh('rm /root/second');
        },
      },
    ),
    file('the owner is changed', 'chown todo /etc/motd', '/etc/motd', /^set owner root \(is uid \d+\)$/),
    file('the group is changed', 'chgrp 4242 /etc/motd', '/etc/motd', /^set group root \(is gid 4242\)$/),
    file('setuid is lost', 'chmod 0755 /srv/app/tool', '/srv/app/tool', /^set mode 6755 \(is 0755\)$/),
    file(
      'a secret is replaced',
      'sed -i s/hunter2-hunter2/correct-horse/ /srv/app/secret.conf',
      '/srv/app/secret.conf',
      /^write 2 lines$/,
    ),
    file(
      'a symlink to another file stands in its place, which keeps its content',
      'echo victim >/root/victim; ln -sf /root/victim /etc/motd',
      '/etc/motd',
      /replacing a symlink to \/root\/victim/,
      { alsoCheck: async (host) => assert.equal(await host.sh('cat /root/victim; rm /root/victim'), 'victim\n') },
    ),
    file(
      'a symlink to itself stands in its place',
      'ln -sf motd /etc/motd',
      '/etc/motd',
      /replacing a symlink to motd/,
    ),
    file('a FIFO stands in its place', 'rm /etc/motd; mkfifo /etc/motd', '/etc/motd', /replacing a FIFO/),
    file(
      'a socket stands in its place',
      `rm /etc/motd; perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => "/etc/motd", Listen => 1) or die'`,
      '/etc/motd',
      /replacing a socket/,
    ),
    file(
      'an empty directory stands in its place, as a mount of a file makes it',
      'rm /etc/motd; mkdir /etc/motd',
      '/etc/motd',
      /replacing a directory/,
    ),
    file('the large file loses its end', 'truncate -s -1 /srv/app/large', '/srv/app/large', /^write 100000 lines$/),
    file('the empty file gets a line', 'echo x >/srv/app/empty', '/srv/app/empty', /^write 0 lines$/),
    file('a removed file is back', 'echo x >/etc/remove-me', '/etc/remove-me', /^remove a file$/),
    file(
      'an agent killed in the middle of a write left its temporary file, and the text is edited',
      'echo half >/etc/.holdfast-999999-1-1; echo by hand >/etc/motd',
      '/etc/motd',
      /^write 1 line$/,
    ),
    directory('the directory is removed with all that is in it', 'rm -r /srv/app', '/srv/app', /^make the directory/),
    directory(
      'its owner and mode are changed',
      'chown 0:0 /srv/app; chmod 777 /srv/app',
      '/srv/app',
      /^set owner todo.*mode 0750/,
    ),
    directory('setgid is lost', 'chmod g-s /srv/app/shared', '/srv/app/shared', /^set mode 2775 \(is 0775\)$/),
    directory(
      'a dangling symlink stands in its place',
      'rm -r /srv/app/shared; ln -s /nowhere /srv/app/shared',
      '/srv/app/shared',
      /replacing a symlink/,
    ),
    directory(
      'something undeclared appears',
      'touch /etc/clutter.d/new; mkdir /etc/clutter.d/empty; mkdir -p /etc/clutter.d/sub/kept; ln -s / /etc/clutter.d/link',
      '/etc/clutter.d',
      /^remove what nobody declared: empty, link, new$/,
    ),
    directory('a removed directory is back', 'mkdir /etc/remove-dir', '/etc/remove-dir', /^remove a directory$/),
    directory(
      'entries of a tree belong to somebody else',
      `mkdir -p /srv/tree/a/b /srv/tree/own/deep; echo x >/srv/tree/a/b/file; echo x >/srv/tree/own/deep/file
       ln -s /etc/passwd /srv/tree/a/link; touch '/srv/tree/a/new
line'`,
      '/srv/tree',
      /^set owner, group or mode of \d entries below/,
    ),
    symlink('it is removed', 'rm /srv/current', /^point to releases\/1$/),
    symlink('it points elsewhere', 'ln -sfn /tmp /srv/current', /^point to releases\/1 \(is a symlink to \/tmp\)$/),
    symlink('its owner is another', 'chown -h todo /srv/current', /the same of uid/),
    symlink('an empty directory stands in its place', 'rm /srv/current; mkdir /srv/current', /\(is a directory\)$/),
    symlink('an empty file stands in its place', 'rm /srv/current; touch /srv/current', /\(is a file\)$/),
  ],
});
