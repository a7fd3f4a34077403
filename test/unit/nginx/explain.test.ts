import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Owners } from '../../../agent/resources/nginx/diff.ts';
import { explainRefusal } from '../../../agent/resources/nginx/explain.ts';

const site = {
  owner: 'site "todo"',
  content: 'ssl_certificate /etc/ssl/todo.crt; ssl_certificate_key /etc/ssl/todo.key;',
};
const owners: Owners = new Map([
  ['sites-available/todo', site],
  ['sites-enabled/todo', site],
  ['conf.d/tuning.conf', { owner: 'fragment "tuning"', content: '' }],
]);

/** Recorded from nginx 1.22 on Debian 12. */
const cases: readonly { name: string; stderr: string; message: string; permanent: boolean }[] = [
  {
    name: 'an unknown directive in a declared site',
    stderr: `nginx: [emerg] unknown directive "sevrer_name" in /etc/nginx/sites-enabled/todo:3
nginx: configuration file /etc/nginx/nginx.conf test failed`,
    message: 'nginx refuses site "todo": unknown directive "sevrer_name" (sites-enabled/todo:3)',
    permanent: true,
  },
  {
    name: 'a missing brace in a fragment',
    stderr: 'nginx: [emerg] unexpected end of file, expecting "}" in /etc/nginx/conf.d/tuning.conf:9',
    message: 'nginx refuses fragment "tuning": unexpected end of file, expecting "}" (conf.d/tuning.conf:9)',
    permanent: true,
  },
  {
    name: 'a warning before the error',
    stderr: `nginx: [warn] conflicting server name "a" on 0.0.0.0:80, ignored
nginx: [emerg] invalid number of arguments in "listen" directive in /etc/nginx/sites-enabled/todo:2`,
    message: 'nginx refuses site "todo": invalid number of arguments in "listen" directive (sites-enabled/todo:2)',
    permanent: true,
  },
  {
    name: 'an upstream that does not resolve, which may pass',
    stderr: 'nginx: [emerg] host not found in upstream "app.invalid:8000" in /etc/nginx/sites-enabled/todo:1',
    message:
      'nginx refuses site "todo": host not found in upstream "app.invalid:8000" (sites-enabled/todo:1); the name does not resolve on this host',
    permanent: false,
  },
  {
    name: 'a key of another certificate, without a place but with a path',
    stderr:
      'nginx: [emerg] SSL_CTX_use_PrivateKey("/etc/ssl/todo.key") failed (SSL: error:05800074:x509 certificate routines::key values mismatch)',
    message:
      'nginx refuses site "todo": SSL_CTX_use_PrivateKey("/etc/ssl/todo.key") failed (SSL: error:05800074:x509 certificate routines::key values mismatch); the certificate and the key do not belong together',
    permanent: false,
  },
  {
    name: 'a file that nobody declared',
    stderr: 'nginx: [emerg] unknown directive "nonsense" in /etc/nginx/sites-enabled/by-hand:2',
    message:
      'sites-enabled/by-hand is not declared here and nginx refuses it: unknown directive "nonsense" (sites-enabled/by-hand:2). Until it is mended or removed no change of nginx can take effect; "purge: true" removes undeclared sites',
    permanent: false,
  },
  {
    name: 'a file outside of the tree',
    stderr: 'nginx: [emerg] unknown directive "x" in /etc/letsencrypt/options.conf:1',
    message:
      '/etc/letsencrypt/options.conf is not declared here and nginx refuses it: unknown directive "x" (/etc/letsencrypt/options.conf:1). Until it is mended or removed no change of nginx can take effect; "purge: true" removes undeclared sites',
    permanent: false,
  },
  {
    name: 'a line of the error log',
    stderr: '2026/11/22 19:00:00 [emerg] 12#12: open() "/var/log/none/a.log" failed (2: No such file or directory)',
    message: 'nginx refuses the configuration: open() "/var/log/none/a.log" failed (2: No such file or directory)',
    permanent: false,
  },
  {
    name: 'a file of the package that somebody has removed',
    stderr: '2026/11/23 23:30:14 [emerg] 12#12: open() "/etc/nginx/nginx.conf" failed (2: No such file or directory)',
    message:
      'nginx refuses the configuration: open() "/etc/nginx/nginx.conf" failed (2: No such file or directory); where it came with the package: apt-get install --reinstall -o Dpkg::Options::=--force-confmiss nginx-common',
    permanent: false,
  },
  {
    name: 'a file of the package that an undeclared one includes',
    stderr:
      'nginx: [emerg] open() "/etc/nginx/mime.types" failed (2: No such file or directory) in /etc/nginx/nginx.conf:26',
    message:
      'nginx.conf is not declared here and nginx refuses it: open() "/etc/nginx/mime.types" failed (2: No such file or directory) (nginx.conf:26); where it came with the package: apt-get install --reinstall -o Dpkg::Options::=--force-confmiss nginx-common. Until it is mended or removed no change of nginx can take effect; "purge: true" removes undeclared sites',
    permanent: false,
  },
  {
    name: 'something that is not of nginx',
    stderr: 'unshare: unshare failed: Operation not permitted',
    message: 'nginx refuses the configuration: unshare: unshare failed: Operation not permitted',
    permanent: false,
  },
];

for (const { name, stderr, ...expected } of cases) {
  test(`${name} is explained`, () => assert.deepEqual(explainRefusal(stderr, owners), expected));
}
