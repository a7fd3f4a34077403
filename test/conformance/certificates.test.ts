import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Secret } from '../../desired-state/schema/secret.ts';
import { type Host, startHost } from '../hosts/host.ts';
import { AgentOnHost, resourceOf } from './agent-on-host.ts';
import { type Breakage, conformance } from './harness.ts';

interface Pair {
  readonly certificate: string;
  readonly key: string;
}

/** A pair as an authority would give it, made on the machine that runs the test. */
function makePair(days: number): Pair {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-pair-'));
  try {
    const files = ['-keyout', join(folder, 'key'), '-out', join(folder, 'crt')];
    const options = [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-days',
      String(days),
      '-subj',
      '/CN=shop.example',
    ];
    execFileSync('openssl', [...options, ...files], { stdio: 'ignore' });
    return { certificate: readFileSync(join(folder, 'crt'), 'utf8'), key: readFileSync(join(folder, 'key'), 'utf8') };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const shop = makePair(365);
const declaredShop = { certificate: shop.certificate, key: new Secret(shop.key), group: 'www-data', mode: '0640' };

async function pairsAreRight(host: Host): Promise<void> {
  await host.sh(`cd /etc/ssl/holdfast
    for name in todo shop; do
      openssl x509 -in $name.crt -noout -checkend 2592000 >/dev/null
      test "$(openssl x509 -in $name.crt -noout -pubkey)" = "$(openssl pkey -in $name.key -pubout)"
    done
    openssl x509 -in todo.crt -noout -ext subjectAltName | grep -q 'DNS:web.example, IP Address:192.168.33.15'
    openssl verify -CAfile todo.crt -verify_hostname web.example -verify_ip 192.168.33.15 todo.crt
    test "$(stat -c '%a %U %G' todo.key shop.key | tr '\\n' ,)" = '600 root root,640 root www-data,'
    test -z "$(ls -A /run | grep holdfast-certificate)"`);
}

function breakage(resource: string, name: string, by: string, summary: RegExp): Breakage {
  const expect = { resource: `certificates/${resource}`, summary, hazard: 'none' } as const;
  return { name, by: `cd /etc/ssl/holdfast; ${by}`, expect, alsoCheck: pairsAreRight };
}

const NEW = (days: number, names: string) =>
  `openssl req -x509 -newkey rsa:2048 -nodes -days ${days} -subj /CN=web.example -addext subjectAltName=${names} -keyout todo.key -out todo.crt 2>/dev/null; chmod 0600 todo.key`;
const NAMES = 'DNS:web.example,IP:192.168.33.15';

conformance({
  title: 'a self-signed certificate and one from secrets',
  sections: {
    certificates: {
      todo: { self_signed: { names: ['web.example', '192.168.33.15'], days: 32 }, renew_before: '31d' },
      shop: declaredShop,
    },
  },
  prepare: 'DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends openssl >/dev/null',
  check: pairsAreRight,
  breakages: [
    breakage(
      'todo',
      'the certificate is gone',
      'rm todo.crt',
      /^make a self-signed certificate for web\.example, 192\.168\.33\.15 \(there is no .*todo\.crt\)$/,
    ),
    breakage('todo', 'the key is gone', 'rm todo.key', /\(there is no .*todo\.key\)$/),
    breakage(
      'todo',
      'the key is another one',
      'openssl genrsa -out todo.key 2048 2>/dev/null',
      /\(certificate and key do not belong together\)$/,
    ),
    breakage('todo', 'the certificate is garbage', 'echo garbage >todo.crt', /\(the file holds no certificate\)$/),
    breakage(
      'todo',
      'the certificate is about to expire',
      NEW(31, NAMES),
      /\(it expires in (?:30|31) days, on \d{4}-\d\d-\d\d\)$/,
    ),
    breakage('todo', 'the certificate lacks a name', NEW(32, 'DNS:web.example'), /\(it is not for 192\.168\.33\.15\)$/),
    breakage(
      'todo',
      'the certificate has a name too many',
      NEW(32, `${NAMES},DNS:evil.example`),
      /\(it is also for evil\.example\)$/,
    ),
    breakage('todo', 'the certificate is for ten years', NEW(3650, NAMES), /\(it is valid for 3650 days and not 32\)$/),
    breakage('todo', 'everybody can read the key', 'chmod 0644 todo.key', /^set todo\.key to mode 0600 \(is 0644\)$/),
    breakage(
      'todo',
      'the key belongs to another user',
      'chown www-data todo.key',
      /^set todo\.key to owner root \(is uid 33\)$/,
    ),
    breakage(
      'todo',
      'the certificate became a link to nothing',
      'ln -sf /nowhere todo.crt',
      /todo\.crt is a symlink\)$/,
    ),
    breakage(
      'shop',
      'the certificate is edited',
      'echo >>shop.crt',
      /^write certificate and key \(the certificate differs from the manifest\)$/,
    ),
    breakage(
      'shop',
      'the key is edited',
      'echo >>shop.key',
      /^write certificate and key \(the key differs from the manifest\)$/,
    ),
    breakage(
      'shop',
      'the folder is gone',
      'cd /; rm -r /etc/ssl/holdfast',
      /^write certificate and key \(there is none yet\)$/,
    ),
    breakage(
      'shop',
      'the mode of the certificate is changed',
      'chmod 0600 shop.crt',
      /^set shop\.crt to mode 0644 \(is 0600\)$/,
    ),
  ],
});

test('a pair that cannot work is never written', async (t) => {
  await using host = await startHost();
  const agent = await AgentOnHost.install(host);
  const other = makePair(365);
  const cases: readonly [string, object, RegExp][] = [
    [
      'a key of another certificate',
      { ...declaredShop, key: new Secret(other.key) },
      /does not belong to its "certificate".*nothing was written/,
    ],
    ['text that is no certificate', { ...declaredShop, certificate: 'hello' }, /is no PEM certificate/],
  ];
  for (const [name, entry, error] of cases) {
    await t.test(name, async () => {
      await agent.writeManifest({ certificates: { shop: entry } });
      const { result, stderr } = await agent.run();
      const resource = resourceOf(result, 'certificates/shop');
      assert.equal(resource.status, 'stalled');
      assert.match(resource.error ?? '', error);
      assert.ok(!JSON.stringify(result).includes('PRIVATE') && !stderr.includes('PRIVATE'), 'a key was printed');
      await host.sh('test ! -e /etc/ssl/holdfast/shop.crt; test ! -e /etc/ssl/holdfast/shop.key');
    });
  }
  await t.test('a pair that runs out is written and waits for a new one', async () => {
    const old = makePair(10);
    await agent.writeManifest({ certificates: { shop: { certificate: old.certificate, key: new Secret(old.key) } } });
    const { result } = await agent.run();
    const { status, error } = resourceOf(result, 'certificates/shop');
    assert.match(error ?? '', /"shop" in the manifest cannot stay: it expires in (?:9|10) days/);
    assert.equal(status, 'stalled');
    assert.equal(await host.readFile('/etc/ssl/holdfast/shop.crt'), old.certificate);
  });
});
