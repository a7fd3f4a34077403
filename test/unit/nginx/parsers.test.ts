import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mainErrorLog } from '../../../agent/resources/nginx/error-log.ts';
import { listeningInodes } from '../../../agent/resources/nginx/port-holder.ts';
import { pathsNamedIn } from '../../../agent/resources/nginx/staleness.ts';
import { isCurrentWorker } from '../../../agent/resources/nginx/workers.ts';

const logs: readonly [string, string, string | undefined][] = [
  ['of Debian', 'user www-data;\nerror_log /var/log/nginx/error.log;\nevents {}', '/var/log/nginx/error.log'],
  ['with a level', 'error_log  "/var/log/e.log" warn;', '/var/log/e.log'],
  [
    'of a block only, which the master does not use',
    'http {\n  error_log /var/log/http.log;\n}',
    '/var/log/nginx/error.log',
  ],
  ['after a block', 'events { }\nerror_log /late.log;', '/late.log'],
  ['in a comment', '# error_log /no.log;\n', '/var/log/nginx/error.log'],
  ['to stderr', 'error_log stderr;', undefined],
  ['to syslog', 'error_log syslog:server=10.0.0.1;', undefined],
];
for (const [name, conf, path] of logs) test(`the error log ${name}`, () => assert.equal(mainErrorLog(conf), path));

const named: readonly [string, string, readonly string[]][] = [
  ['a certificate', '  ssl_certificate /etc/ssl/a.crt;', ['/etc/ssl/a.crt']],
  ['a key in quotes', 'ssl_certificate_key "/etc/ssl/a.key" ;', ['/etc/ssl/a.key']],
  ['Diffie-Hellman parameters', '\tssl_dhparam /etc/dh.pem;', ['/etc/dh.pem']],
  ['an include outside', 'include /opt/app/nginx.conf;', ['/opt/app/nginx.conf']],
  ['what lies in the tree, which is walked anyway', 'include /etc/nginx/mime.types;', []],
  ['a pattern', 'include /opt/*.conf;', []],
  ['a variable', 'ssl_certificate /etc/ssl/$ssl_server_name.crt;', []],
  ['a comment', '# ssl_certificate /etc/ssl/a.crt;', []],
  ['a directive that is read at each request', 'auth_basic_user_file /etc/htpasswd;', []],
];
for (const [name, text, paths] of named)
  test(`paths named by ${name}`, () => assert.deepEqual(pathsNamedIn(text), paths));

/** Recorded from Debian 12. */
const TABLE = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 149536 1 00000000d597d00f 100 0 0 10 0
   1: 0100007F:0050 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 149999 1 00000000d597d00f 100 0 0 10 0
   2: 0100007F:1F9A 00000000:0000 0A 00000000:00000000 00:00000000 00000000    33        0 777 1 00000000d597d00f 100 0 0 10 0
`;
test('the socket that listens on a port is found, a connection to it is not', () => {
  assert.deepEqual(listeningInodes(TABLE, 80), ['149536']);
  assert.deepEqual(listeningInodes(TABLE, 8090), ['777']);
  assert.deepEqual(listeningInodes(TABLE, 443), []);
});

test('a worker that only finishes its last requests is no current one', () => {
  assert.ok(isCurrentWorker('nginx: worker process'));
  assert.ok(!isCurrentWorker('nginx: worker process is shutting down'));
  assert.ok(!isCurrentWorker('nginx: cache manager process'));
});
