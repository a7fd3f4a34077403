import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSecrets } from '../../../controller/compile/secrets.ts';
import { unpack } from '../../../controller/packing.ts';
import { decodeManifest } from '../../../desired-state/schema/manifest.ts';
import { Secret } from '../../../desired-state/schema/secret.ts';
import { compile, type Files, good, issuesOf, manifestOf, resourceOf } from './tree.ts';

const LOCAL = '    - { type: local, user: postgres, method: peer }\n';

test('a good tree has a manifest for each host and no issues', () => {
  const { hosts, pending, issues } = compile(good);
  assert.deepEqual(issues, []);
  assert.deepEqual([...hosts.keys()], ['db-1', 'web-1']);
  assert.equal(pending.size, 0);
  assert.equal(hosts.get('web-1')?.resources, 1);
});

test('an agent can decode what the compiler encodes, with parsed specs', () => {
  const { hosts } = compile({
    ...good,
    'roles/web.yaml': 'files:\n  /etc/key: { content: !secret api_key, mode: "0600" }\n',
  });
  const manifest = decodeManifest(unpack(hosts.get('web-1')?.packed ?? assert.fail('it is not compiled')));
  const [resource] = manifest.resources;
  assert.ok(resource?.kind === 'files' && resource.spec.content instanceof Secret);
  assert.equal(resource.spec.mode, 0o600);
  assert.equal(resource.spec.content.reveal(), '0123456789abcdef');
});

test('the host goes over its roles, a later role over an earlier one, and all over the environment', () => {
  const files: Files = {
    ...good,
    'environments/dev.yaml': 'vars: { who: environment, a: environment, b: environment, c: environment }\n',
    'roles/web.yaml': 'vars: { who: web, a: web, b: web }\n',
    'roles/db.yaml': 'vars: { who: db, a: db }\n',
    'hosts/web-1.yaml':
      'environment: dev\nroles: [web, db]\nvars: { who: host }\nfiles:\n  /x: { content: "{{vars.who}} {{vars.a}} {{vars.b}} {{vars.c}}" }\n',
  };
  assert.equal(resourceOf(files, 'web-1', 'files//x').spec['content'], 'host db web environment');
});

test('maps merge at every depth, lists are replaced, and an empty value removes', () => {
  const files: Files = {
    ...good,
    'environments/dev.yaml': 'vars: { list: [a, b, c], map: { x: 1, y: 2, z: 3 } }\n',
    'roles/web.yaml': 'vars: { list: [d], map: { y: 20, z: null } }\nservices: { nginx: running, ntp: running }\n',
    'hosts/web-1.yaml':
      'environment: dev\nroles: [web]\nservices: { ntp: }\nfiles:\n  /x: { content: "{{#vars.list}}{{.}}{{/vars.list}} {{vars.map.x}} {{vars.map.y}}" }\n',
  };
  assert.equal(resourceOf(files, 'web-1', 'files//x').spec['content'], 'd 1 20');
  assert.deepEqual(
    manifestOf(files, 'web-1').resources.map(({ kind, name }) => `${kind}/${name}`),
    ['files//x', 'services/nginx'],
  );
});

test('hosts of one role share what is the same for all and keep what is their own', () => {
  const files: Files = {
    ...good,
    'roles/web.yaml':
      'files:\n  /same: { content: same }\n  /own: { content: "{{host.name}}" }\n  /of/template: { template: who.mustache }\ndirectories:\n  /d: { purge: true }\n',
    'templates/who.mustache': '{{host.name}}',
    'hosts/web-1.yaml': 'environment: dev\nroles: [web]\naddress: 10.0.0.15\nfiles:\n  /d/x: { content: x }\n',
    'hosts/web-2.yaml': 'environment: dev\nroles: [web]\naddress: 10.0.0.16\nfiles:\n  /same: { mode: "0600" }\n',
    'hosts/web-3.yaml': 'environment: dev\nroles: [web]\naddress: 10.0.0.17\n',
  };
  const spec = (host: string, name: string): unknown => resourceOf(files, host, name).spec;
  for (const host of ['web-1', 'web-2', 'web-3']) {
    assert.deepEqual(spec(host, 'files//own'), { content: host });
    assert.deepEqual(spec(host, 'files//of/template'), { content: host });
  }
  assert.deepEqual(spec('web-1', 'directories//d'), { purge: true, keep: ['x'] });
  assert.deepEqual(spec('web-3', 'directories//d'), { purge: true });
  assert.deepEqual(spec('web-2', 'files//same'), { content: 'same', mode: '0600' });
  assert.deepEqual(spec('web-3', 'files//same'), { content: 'same' });
});

test('an entry that stands a second time by an alias is a resource of its own', () => {
  const files: Files = { ...good, 'roles/web.yaml': 'files:\n  /a: &same { content: x }\n  /b: *same\n' };
  assert.deepEqual(
    manifestOf(files, 'web-1').resources.map(({ name }) => name),
    ['/a', '/b'],
  );
});

test('an issue of a shared entry names every host that has it', () => {
  const files: Files = {
    ...good,
    'roles/web.yaml': 'files:\n  /x: { content: x, mode: "0999" }\n',
    'hosts/web-2.yaml': 'environment: dev\nroles: [web]\n',
  };
  assert.deepEqual(
    compile(files).issues.map(({ hosts }) => hosts),
    [['web-1', 'web-2']],
  );
});

const asking: readonly { readonly name: string; readonly role: string; readonly asked: readonly string[] }[] = [
  { name: 'nobody', role: 'services: { nginx: running }\n', asked: [] },
  { name: 'a template that names hosts only', role: 'files: { /x: { content: "{{hosts.db.0.name}}" } }\n', asked: [] },
  { name: 'a template', role: 'files: { /x: { content: "{{hosts.db.0.address}}" } }\n', asked: ['db-1'] },
  { name: 'its own', role: 'files: { /x: { content: "{{host.address}}" } }\n', asked: ['web-1'] },
  {
    name: 'a list of addresses',
    role: 'postgres:\n  hba:\n    - { user: all, from: [hosts.all], method: scram-sha-256 }\n    - { type: local, user: postgres, method: peer }\n',
    asked: ['db-1', 'web-1'],
  },
];

for (const { name, role, asked } of asking) {
  test(`it is known whose addresses went into manifests: ${name}`, () => {
    const compilation = compile({ ...good, 'roles/web.yaml': role });
    assert.deepEqual(compilation.issues, []);
    assert.deepEqual([...compilation.asked.keys()].sort(), asked);
  });
}

test('where a schema takes null for a value, it is one', () => {
  const files: Files = {
    ...good,
    'roles/db.yaml': 'postgres:\n  roles: { todo: { login: true, password: !secret db_password } }\n',
    'hosts/db-1.yaml': 'environment: dev\nroles: [db]\npostgres:\n  roles: { todo: { password: null } }\n',
  };
  assert.deepEqual(resourceOf(files, 'db-1', 'postgres/postgres').spec['roles'], {
    todo: { login: true, password: null },
  });
});

test('a host overrides one key of a resource that its role declares', () => {
  const files: Files = {
    ...good,
    'roles/web.yaml': 'services:\n  nginx: { enabled: true, timeout: 5m }\n',
    'hosts/web-1.yaml': 'environment: dev\nroles: [web]\nservices:\n  nginx: { enabled: false }\n',
  };
  assert.deepEqual(resourceOf(files, 'web-1', 'services/nginx').spec, { enabled: false, timeout: '5m' });
});

test('templates see the host, other hosts of its environment, variables and secrets', () => {
  const files: Files = {
    ...good,
    'environments/live.yaml': '',
    'hosts/db-9.yaml': 'environment: live\nroles: [db]\naddress: 10.9.9.9\n',
    'hosts/web-2.yaml': 'environment: dev\nroles: [web]\naddress: 10.0.0.16\n',
    'roles/web.yaml': 'files:\n  /x: { template: x.mustache, vars: { port: 80 } }\n',
    'templates/x.mustache':
      '{{host.name}} {{host.address}} {{environment}} {{vars.domain}}:{{vars.port}}\n{{#hosts.web}}{{name}}={{address}}\n{{/hosts.web}}{{hosts.db.0.address}} {{#hosts.all}}{{name}} {{/hosts.all}}\n',
  };
  assert.equal(
    resourceOf(files, 'web-1', 'files//x').spec['content'],
    'web-1 10.0.0.15 dev dev.example:80\nweb-1=10.0.0.15\nweb-2=10.0.0.16\n10.0.0.11 db-1 web-1 web-2 \n',
  );
});

test('variables may be templates over each other, in any order', () => {
  const files: Files = {
    ...good,
    'roles/web.yaml':
      'vars: { url: "https://{{vars.name}}/", name: "www.{{vars.domain}}" }\nfiles:\n  /x: { content: "{{vars.url}}" }\n',
  };
  assert.equal(resourceOf(files, 'web-1', 'files//x').spec['content'], 'https://www.dev.example/');
});

test('a lone variable keeps its type where no text is expected, and is text where text is', () => {
  const files: Files = {
    ...good,
    'roles/web.yaml':
      'vars: { on: true, list: [/etc/a, /etc/b], number: 7 }\nservices:\n  nginx: { enabled: "{{vars.on}}", restart_when_newer: "{{vars.list}}" }\nfiles:\n  /x: { content: "{{vars.number}}" }\n',
  };
  const { spec } = resourceOf(files, 'web-1', 'services/nginx');
  assert.equal(spec['enabled'], true);
  assert.deepEqual(spec['restart_when_newer'], ['/etc/a', '/etc/b']);
  assert.equal(resourceOf(files, 'web-1', 'files//x').spec['content'], '7');
});

test('a reference to a role becomes the list of its addresses, alone and inside of a list', () => {
  const files: Files = {
    ...good,
    'hosts/web-2.yaml': 'environment: dev\nroles: [web]\naddress: 10.0.0.16\n',
    'roles/db.yaml': `postgres:\n  hba:\n${LOCAL}    - { user: a, from: hosts.web, method: scram-sha-256 }\n    - { user: b, from: [127.0.0.1, hosts.web], method: scram-sha-256 }\n`,
  };
  const hba = resourceOf(files, 'db-1', 'postgres/postgres').spec['hba'];
  assert.ok(Array.isArray(hba));
  assert.deepEqual(
    hba.slice(1).map((entry: { readonly from: unknown }) => entry.from),
    [
      ['10.0.0.15', '10.0.0.16'],
      ['127.0.0.1', '10.0.0.15', '10.0.0.16'],
    ],
  );
});

test('a host without an address makes those that need it pending, and is no error', () => {
  const files: Files = {
    ...good,
    'hosts/web-1.yaml': 'environment: dev\nroles: [web]\n',
    'roles/db.yaml': `postgres:\n  hba:\n${LOCAL}    - { user: a, from: hosts.web, method: scram-sha-256 }\n`,
  };
  const { hosts, pending, issues } = compile(files);
  assert.deepEqual(issues, []);
  assert.deepEqual([...hosts.keys()], ['web-1']);
  assert.deepEqual(pending.get('db-1')?.reasons, ['waiting for web-1 to report an address in 10.0.0.0/8']);
});

test('a pending host still has its other issues reported', () => {
  const files: Files = {
    ...good,
    'hosts/web-1.yaml': 'environment: dev\nroles: [web]\n',
    'roles/db.yaml': 'services: { ntp: { enbled: true } }\nfiles:\n  /x: { content: "{{hosts.web.0.address}}" }\n',
  };
  assert.deepEqual(issuesOf(files), ['roles/db.yaml:1:20 unknown key "enbled", did you mean "enabled"?']);
});

test('of the addresses that a host reports, the one inside the network counts', () => {
  const files: Files = {
    ...good,
    'hosts/web-1.yaml': 'environment: dev\nroles: [web]\nfiles:\n  /x: { content: "{{host.address}}" }\n',
  };
  const facts = new Map([['web-1', { addresses: ['2001:db8::1', '192.168.0.7', '10.1.2.3'] }]]);
  assert.equal(resourceOf(files, 'web-1', 'files//x', { facts }).spec['content'], '10.1.2.3');
  const anywhere: Files = { ...files, 'environments/dev.yaml': 'vars: { domain: x }\n' };
  assert.equal(resourceOf(anywhere, 'web-1', 'files//x', { facts }).spec['content'], '192.168.0.7');
});

test('a text with a secret in it is a secret whose other parts may be shown', () => {
  const files: Files = {
    ...good,
    'roles/web.yaml': 'files:\n  /x: { content: "user=todo password={{secret.api_key}}" }\n',
  };
  assert.deepEqual(resourceOf(files, 'web-1', 'files//x').spec['content'], {
    $secret: 'user=todo password=0123456789abcdef',
    fragments: ['0123456789abcdef'],
  });
});

test('the escaped form of a secret is masked as well as the secret itself', () => {
  const files: Files = {
    ...good,
    'roles/web.yaml': 'files:\n  /x.sh: { template: x.sh.mustache }\n',
    'templates/x.sh.mustache': "PASSWORD='{{secret.db_password}}'\n",
  };
  const content = resourceOf(files, 'web-1', 'files//x.sh').spec['content'];
  assert.deepEqual(content, {
    $secret: `PASSWORD='p%q"'\\''$x;y'\n`,
    fragments: [`p%q"'\\''$x;y`, `p%q"'$x;y`],
  });
});

test('no secret stands in an issue', () => {
  const files: Files = {
    ...good,
    'roles/web.yaml':
      'files:\n  /x: { content: x, owner: !secret db_password, mode: !secret api_key }\n  /y: { content: x, group: "{{secret.api_key}}" }\nmode: !secret api_key\n',
  };
  const text = issuesOf(files).join('\n');
  assert.equal(issuesOf(files).length, 4);
  assert.doesNotMatch(text, /0123456789abcdef|p%q/);
});

test('without the secrets at hand any name of a secret passes', () => {
  const files: Files = { ...good, 'roles/web.yaml': 'files:\n  /x: { content: !secret whatever }\n' };
  assert.deepEqual(issuesOf(files, { secrets: undefined }), []);
});

test('without a secrets file nothing is said about the text of a secret', () => {
  const repository = { uris: 'https://apt.example.org/', suites: 'stable', key: '!secret apt_key' };
  const text = JSON.stringify({ environment: 'test', repositories: { vendor: repository } });
  const files = {
    'hosts/web-1.yaml': text.replace('"!secret apt_key"', '!secret apt_key'),
    'environments/test.yaml': '{}',
  };
  assert.deepEqual(issuesOf(files, { secrets: undefined }), []);
  assert.match(
    issuesOf(files, { secrets: parseSecrets('s', 'apt_key: no key') }).join('\n'),
    /expected a public key as text/,
  );
});

test('partials are templates of their own', () => {
  const files: Files = {
    ...good,
    'roles/web.yaml': 'files:\n  /x: { template: x.mustache }\n',
    'templates/x.mustache': '{{> parts/head.mustache}}body\n',
    'templates/parts/head.mustache': '# {{host.name}}\n',
  };
  assert.equal(resourceOf(files, 'web-1', 'files//x').spec['content'], '# web-1\nbody\n');
});

test('a link inside of the tree is followed, of a file and of a folder', () => {
  const files: Files = {
    ...good,
    'files/a': 'text',
    'files/b': '-> a',
    'files/deep/c': 'deep text',
    'files/folder': '-> deep',
    'roles/web.yaml': 'files:\n  /b: { source: b }\n  /c: { source: folder/c }\n',
  };
  assert.equal(resourceOf(files, 'web-1', 'files//b').spec['content'], 'text');
  assert.equal(resourceOf(files, 'web-1', 'files//c').spec['content'], 'deep text');
});

test('the settings of the agent come with defaults, and durations in milliseconds', () => {
  const files: Files = {
    ...good,
    'roles/web.yaml': 'agent: { splay: 2m, retry: { first: 1s }, tags: ["env:{{environment}}"] }\n',
  };
  const { agent } = manifestOf(files, 'web-1');
  assert.equal(agent['splay_ms'], 120_000);
  assert.equal(agent['retryFirst_ms'], 1000);
  assert.equal(agent['retryMax_ms'], 300_000);
  assert.deepEqual(agent['tags'], ['env:dev']);
});

test('a directory that purges spares what other resources of the host own', () => {
  const files: Files = {
    ...good,
    'roles/web.yaml':
      'directories:\n  /etc/x: { purge: true, keep: [mine] }\n  /etc/y: {}\n  /etc/x/sub: {}\nfiles:\n  /etc/x/a: { content: x }\n  /etc/x/sub/b: { content: x }\n  /etc/y/c: { content: x }\n',
  };
  assert.deepEqual(resourceOf(files, 'web-1', 'directories//etc/x').spec['keep'], ['mine', 'a', 'sub', 'sub/b']);
  assert.equal(resourceOf(files, 'web-1', 'directories//etc/y').spec['keep'], undefined);
});

test('requirements and the drift mode of a resource go into the manifest', () => {
  const files: Files = {
    ...good,
    'roles/web.yaml':
      'mode: report\nservices:\n  nginx: { drift: enforce, requires: [services/ntp] }\n  ntp: running\n',
  };
  assert.equal(manifestOf(files, 'web-1').mode, 'report');
  const { requires, mode } = resourceOf(files, 'web-1', 'services/nginx');
  assert.deepEqual(requires, [{ kind: 'services', name: 'ntp' }]);
  assert.equal(mode, 'enforce');
});

test('the same declarations have the same ETag whatever the revision, and other ones another', () => {
  const etag = (files: Files, revision: string) => compile(files, { revision }).hosts.get('web-1')?.etag;
  assert.match(etag(good, 'r1') ?? '', /^W\/"[\w-]{43}"$/);
  assert.equal(etag(good, 'r1'), etag({ ...good, 'roles/db.yaml': 'services: { postgresql: stopped }\n' }, 'r2'));
  assert.notEqual(etag(good, 'r1'), etag({ ...good, 'roles/web.yaml': 'services: { nginx: stopped }\n' }, 'r1'));
});

test('another secret makes another manifest', () => {
  const files: Files = { ...good, 'roles/web.yaml': 'files:\n  /x: { content: !secret api_key }\n' };
  const etag = (text: string) => compile(files, { secrets: parseSecrets('s', text) }).hosts.get('web-1')?.etag;
  assert.notEqual(etag('api_key: one'), etag('api_key: two'));
});

test('five hundred hosts with a role of a hundred files compile within seconds', () => {
  const entries = Array.from({ length: 100 }, (_, index) => `  /etc/x/${index}: { template: x.mustache }\n`).join('');
  const hosts = Array.from({ length: 500 }, (_, index) => [
    `hosts/web-${index + 10}.yaml`,
    `environment: dev\nroles: [web]\naddress: 10.0.${Math.floor(index / 200)}.${(index % 200) + 20}\n`,
  ]);
  const files: Files = {
    ...good,
    ...Object.fromEntries(hosts),
    'roles/web.yaml': `files:\n${entries}`,
    'templates/x.mustache': '{{host.name}} {{hosts.db.0.address}}\n',
  };
  assert.equal(compile(files).hosts.size, 502);
});
