import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compile, type Files, good, issuesOf } from './tree.ts';

interface Case {
  readonly name: string;
  /** Laid over a tree with nothing wrong. */
  readonly files: Files;
  /** Exactly these, in this order. */
  readonly issues: readonly string[];
}

const bomb = `vars:\n  a: &a [x, x, x, x, x, x, x, x, x, x]\n${['b', 'c', 'd', 'e', 'f', 'g']
  .map(
    (name, index) => `  ${name}: &${name} [${Array.from({ length: 10 }, () => `*${'abcdefg'[index]}`).join(', ')}]\n`,
  )
  .join('')}`;

const cases: readonly Case[] = [
  {
    name: 'an unknown section, with the nearest known one',
    files: { 'roles/web.yaml': 'service:\n  nginx: running\n' },
    issues: ['roles/web.yaml:1:1 unknown key "service", did you mean "services"?'],
  },
  {
    name: 'an unknown key of an entry',
    files: { 'roles/web.yaml': 'services:\n  nginx:\n    stat: running\n' },
    issues: ['roles/web.yaml:3:5 unknown key "stat", did you mean "state"?'],
  },
  {
    name: 'all unknown keys of an entry and not just the first, together with a wrong value',
    files: { 'roles/web.yaml': 'services:\n  nginx: { stat: running, enabld: true, masked: 3 }\n' },
    issues: [
      'roles/web.yaml:2:12 unknown key "stat", did you mean "state"?',
      'roles/web.yaml:2:27 unknown key "enabld", did you mean "enabled"?',
      'roles/web.yaml:2:49 expected true or false',
    ],
  },
  {
    name: 'an unknown key in a list item',
    files: {
      'roles/db.yaml':
        'postgres:\n  hba:\n    - { type: local, user: postgres, method: peer }\n    - { usr: todo, from: 10.0.0.1, method: scram-sha-256 }\n',
    },
    issues: ['roles/db.yaml:4:9 unknown key "usr", did you mean "user"?'],
  },
  {
    name: 'an unknown word, with the nearest known one',
    files: { 'roles/web.yaml': 'services:\n  nginx: runing\n' },
    issues: ['roles/web.yaml:2:10 expected a map, found "runing", did you mean "running"?'],
  },
  {
    name: 'a wrong type',
    files: { 'roles/web.yaml': 'services:\n  nginx:\n    enabled: "yes"\n' },
    issues: ['roles/web.yaml:3:14 expected true or false'],
  },
  {
    name: 'a section that is a list',
    files: { 'roles/web.yaml': 'services:\n  - nginx\n' },
    issues: ['roles/web.yaml:2:3 expected a map of names to entries'],
  },
  {
    name: 'a missing key, told at the entry that lacks it',
    files: {
      'roles/db.yaml':
        'postgres:\n  hba:\n    - { type: local, user: postgres, method: peer }\n    - { user: todo, from: 10.0.0.1 }\n',
    },
    issues: ['roles/db.yaml:4:7 missing key "method"'],
  },
  {
    name: 'a duplicate key',
    files: { 'roles/web.yaml': 'services:\n  nginx: running\nservices:\n  ntp: running\n' },
    issues: ['roles/web.yaml:3:1 key "services" stands twice in this map'],
  },
  {
    name: 'a tab in the indentation',
    files: { 'roles/web.yaml': 'services:\n\tnginx: running\n' },
    issues: ['roles/web.yaml:2:1 tab in the indentation: YAML takes spaces only'],
  },
  {
    name: 'YAML that does not parse',
    files: { 'roles/web.yaml': 'services:\n  nginx: [running\n' },
    issues: ['roles/web.yaml:3:1 flow sequence in block collection must be sufficiently indented and end with a ]'],
  },
  {
    name: 'YAML with wrong indentation',
    files: { 'roles/web.yaml': 'services:\n    nginx: running\n  ntp: running\n' },
    issues: ['roles/web.yaml:3:3 all mapping items must start at the same column'],
  },
  {
    name: 'two documents in one file',
    files: { 'roles/web.yaml': 'services: {}\n---\nservices: {}\n' },
    issues: ['roles/web.yaml:2:1 a second document ("---") in the file: one file holds one document'],
  },
  {
    name: 'a file that is a list',
    files: { 'roles/web.yaml': '- services\n' },
    issues: ['roles/web.yaml:1:1 expected a map of sections'],
  },
  {
    name: 'an unknown tag',
    files: { 'roles/web.yaml': 'vars:\n  password: !vault x\n' },
    issues: ['roles/web.yaml:2:13 unknown tag "!vault": the only one is !secret NAME'],
  },
  {
    name: 'a merge key',
    files: { 'roles/web.yaml': 'vars: &v { a: 1 }\nservices:\n  <<: *v\n' },
    issues: ['roles/web.yaml:3:3 merge keys ("<<") are not supported: put what several hosts share into a role'],
  },
  {
    name: 'an alias that nothing has the name of',
    files: { 'roles/web.yaml': 'services: *nothing\n' },
    issues: ['roles/web.yaml:1:11 unknown alias "*nothing"'],
  },
  {
    name: 'an alias inside its own anchor',
    files: { 'roles/web.yaml': 'vars: &v\n  a: *v\n' },
    issues: ['roles/web.yaml:2:6 alias "*v" stands inside its own anchor'],
  },
  {
    name: 'a bomb of aliases',
    files: { 'roles/web.yaml': bomb },
    issues: ['roles/web.yaml:2:31 unfolds to more than 100000 values'],
  },
  {
    name: 'nesting without end',
    files: { 'roles/web.yaml': `vars: { a: ${'['.repeat(100)}${']'.repeat(100)} }\n` },
    issues: ['roles/web.yaml:1:75 nested more than 64 deep'],
  },
  {
    name: 'nesting that would exhaust the parser',
    files: { 'roles/web.yaml': `vars: ${'['.repeat(50_000)}\n` },
    issues: ['roles/web.yaml:1:812 nested too deeply'],
  },
  {
    name: 'a key that reaches into JavaScript',
    files: { 'roles/web.yaml': 'vars:\n  __proto__: { a: 1 }\n' },
    issues: ['roles/web.yaml:2:3 "__proto__" cannot be a key'],
  },
  {
    name: 'a number with a leading zero',
    files: { 'roles/web.yaml': 'files:\n  /etc/motd: { content: x, mode: 0644 }\n' },
    issues: ['roles/web.yaml:2:34 0644 would be read as the number 644: write "0644" in quotes, or 0o644 for octal'],
  },
  {
    name: 'a file mode as a bare decimal number',
    files: { 'roles/web.yaml': 'files:\n  /etc/motd: { content: x, mode: 644 }\n' },
    issues: ['roles/web.yaml:2:34 write the mode in quotes, "0644": a bare number is decimal in YAML'],
  },
  {
    name: 'a template that begins a value without quotes',
    files: { 'roles/web.yaml': 'files:\n  /etc/motd:\n    content: {{host.name}}\n' },
    issues: ['roles/web.yaml:3:14 a value that starts with {{ needs quotes: "{{…}}"'],
  },
  {
    name: 'an empty value that removes nothing',
    files: { 'roles/web.yaml': 'services:\n  nginx:\n' },
    issues: [
      'roles/web.yaml:2:3 "nginx" is empty, and no lower layer has one to remove: write a value, or {} for all defaults',
    ],
  },
  {
    name: 'an unresolved name in a YAML text',
    files: { 'roles/web.yaml': 'files:\n  /etc/motd:\n    content: "I am {{host.name}} at {{host.adress}}"\n' },
    issues: [
      'roles/web.yaml:3:37 unresolved name "host.adress": there is no "adress" in "host", did you mean "address"?',
    ],
  },
  {
    name: 'an unresolved name in a block of text',
    files: { 'roles/web.yaml': 'files:\n  /etc/motd:\n    content: |\n      first line\n      {{vars.domian}}\n' },
    issues: [
      'roles/web.yaml:5:7 unresolved name "vars.domian": there is no "domian" in "vars", did you mean "domain"?',
    ],
  },
  {
    name: 'an unresolved name in a template file',
    files: {
      'roles/web.yaml': 'files:\n  /etc/motd:\n    template: motd.mustache\n',
      'templates/motd.mustache': 'Host {{host.name}}\nof {{evironment}}\n',
    },
    issues: [
      'templates/motd.mustache:2:4 unresolved name "evironment": there is no "evironment", did you mean "environment"? (rendered for desired-state/roles/web.yaml:3)',
    ],
  },
  {
    name: 'an unresolved name inside a section of a template',
    files: {
      'roles/web.yaml': 'files:\n  /etc/hosts:\n    template: hosts.mustache\n',
      'templates/hosts.mustache': '{{#hosts.db}}\n{{address}} {{nam}}\n{{/hosts.db}}\n',
    },
    issues: [
      'templates/hosts.mustache:2:13 unresolved name "nam": there is no "nam", did you mean "name"? (rendered for desired-state/roles/web.yaml:3)',
    ],
  },
  {
    name: 'a template that does not parse',
    files: {
      'roles/web.yaml': 'files:\n  /etc/motd:\n    template: motd.mustache\n',
      'templates/motd.mustache': 'Host\n  {{#hosts.web}}\n{{name}}\n',
    },
    issues: [
      'templates/motd.mustache:2:3 malformed template: unclosed section "hosts.web" (rendered for desired-state/roles/web.yaml:3)',
    ],
  },
  {
    name: 'an unclosed tag in a YAML text',
    files: { 'roles/web.yaml': 'files:\n  /etc/motd:\n    content: "Host {{host.name"\n' },
    issues: ['roles/web.yaml:3:20 malformed template: unclosed tag'],
  },
  {
    name: 'a list written as text',
    files: { 'roles/web.yaml': 'files:\n  /etc/motd:\n    content: "{{host.roles}} of {{host.name}}"\n' },
    issues: ['roles/web.yaml:3:15 "host.roles" is a list and cannot be written as text'],
  },
  {
    name: 'an unknown template, with the nearest one',
    files: {
      'roles/web.yaml': 'files:\n  /etc/motd:\n    template: mtd.mustache\n',
      'templates/motd.mustache': 'x',
    },
    issues: ['roles/web.yaml:3:15 there is no desired-state/templates/mtd.mustache, did you mean "motd.mustache"?'],
  },
  {
    name: 'an unknown partial',
    files: {
      'roles/web.yaml': 'files:\n  /etc/motd:\n    template: motd.mustache\n',
      'templates/motd.mustache': 'x\n{{> header.mustache}}\n',
    },
    issues: [
      'templates/motd.mustache:2:1 unknown template "header.mustache" (rendered for desired-state/roles/web.yaml:3)',
    ],
  },
  {
    name: 'a template outside of the folder',
    files: { 'roles/web.yaml': 'files:\n  /etc/motd:\n    template: ../../etc/passwd\n' },
    issues: ['roles/web.yaml:3:15 expected a path inside of templates/, without "..", "." or a leading "/"'],
  },
  {
    name: 'a file to copy that is not there',
    files: { 'roles/web.yaml': 'files:\n  /etc/motd:\n    source: motd\n' },
    issues: ['roles/web.yaml:3:13 there is no desired-state/files/motd'],
  },
  {
    name: 'a file to copy that is not text',
    files: {
      'roles/web.yaml': 'files:\n  /etc/motd:\n    source: motd\n',
      'files/motd': Buffer.from([0xff, 0xfe, 0x00]),
    },
    issues: ['roles/web.yaml:3:13 desired-state/files/motd: not UTF-8 text'],
  },
  {
    name: 'a content and a template for one file',
    files: {
      'roles/web.yaml': 'files:\n  /etc/motd:\n    content: x\n    template: motd.mustache\n',
      'templates/motd.mustache': 'x',
    },
    issues: [
      'roles/web.yaml:4:5 "content" and "template" exclude each other; remove one, in an upper layer with "content: null"',
    ],
  },
  {
    name: 'a value that nginx would read otherwise',
    files: {
      'roles/web.yaml': 'vars:\n  name: "a; b"\nnginx:\n  conf:\n    x:\n      template: x.mustache\n',
      'templates/x.mustache': "# it's a comment\nserver_name {{vars.name}};\n",
    },
    issues: [
      'templates/x.mustache:2:13 the value of "vars.name" cannot stand here: it has signs that end a word in nginx: put quotes around the tag (rendered for desired-state/roles/web.yaml:6)',
    ],
  },
  {
    name: 'an unknown way to escape',
    files: {
      'roles/web.yaml': 'files:\n  /etc/motd:\n    template: motd.mustache\n    escape: ngix\n',
      'templates/motd.mustache': 'x',
    },
    issues: [
      'roles/web.yaml:4:13 expected one of nginx, ini, supervisor, shell, sql, yaml, json, html, text, did you mean "nginx"?',
    ],
  },
  {
    name: 'an unknown secret, with the nearest one',
    files: { 'roles/web.yaml': 'files:\n  /etc/key:\n    content: !secret api_kye\n' },
    issues: ['roles/web.yaml:3:22 unknown secret "api_kye", did you mean "api_key"?'],
  },
  {
    name: 'an unknown secret in a template',
    files: {
      'roles/web.yaml': 'files:\n  /etc/motd:\n    template: motd.mustache\n',
      'templates/motd.mustache': 'key={{secret.api_kye}}\n',
    },
    issues: [
      'templates/motd.mustache:1:5 unresolved name "secret.api_kye": there is no "api_kye" in "secret", did you mean "api_key"? (rendered for desired-state/roles/web.yaml:3)',
    ],
  },
  {
    name: 'a secret where plain text belongs',
    files: { 'roles/web.yaml': 'files:\n  /etc/motd:\n    content: x\n    owner: !secret api_key\n' },
    issues: ['roles/web.yaml:4:20 a secret cannot stand here: expected a user or group name'],
  },
  {
    name: 'a name of a secret that is none',
    files: { 'roles/web.yaml': 'files:\n  /etc/key:\n    content: !secret "../x y"\n' },
    issues: ['roles/web.yaml:3:22 expected !secret NAME (letters, digits, "_", "-" and ".")'],
  },
  {
    name: 'an unknown role, with the nearest one',
    files: { 'hosts/web-1.yaml': 'environment: dev\nroles: [web, dp]\n' },
    issues: ['hosts/web-1.yaml:2:14 unknown role "dp", did you mean "db"?'],
  },
  {
    name: 'a role twice',
    files: { 'hosts/web-1.yaml': 'environment: dev\nroles: [web, web]\n' },
    issues: ['hosts/web-1.yaml:2:14 role "web" stands twice in this list'],
  },
  {
    name: 'an unknown environment',
    files: { 'hosts/web-1.yaml': 'environment: def\nroles: [web]\n' },
    issues: ['hosts/web-1.yaml:1:14 unknown environment "def", did you mean "dev"?'],
  },
  {
    name: 'a host without an environment',
    files: { 'hosts/web-1.yaml': 'roles: [web]\n' },
    issues: ['hosts/web-1.yaml:1:1 missing key "environment"; known: dev'],
  },
  {
    name: 'a key of hosts in a role',
    files: { 'roles/web.yaml': 'address: 10.0.0.1\n' },
    issues: ['roles/web.yaml:1:1 "address" may stand in a host\'s file only'],
  },
  {
    name: 'a host name that is a path',
    files: { 'hosts/../../etc/x.yaml': 'environment: dev\n' },
    issues: ['hosts/../../etc/x.yaml:1:1 "../../etc/x" is not a host name (lower-case letters, digits, "-" and ".")'],
  },
  {
    name: 'a file with another ending',
    files: { 'roles/cache.yml': 'services: {}\n' },
    issues: ['roles/cache.yml:1:1 expected a file "roles/<name>.yaml"'],
  },
  {
    name: 'an unknown role in a list of addresses',
    files: {
      'roles/db.yaml':
        'postgres:\n  hba:\n    - { type: local, user: postgres, method: peer }\n    - { user: todo, from: hosts.wep, method: scram-sha-256 }\n',
    },
    issues: ['roles/db.yaml:4:27 unknown role "wep", did you mean "web"?'],
  },
  {
    name: 'a host of a role that no host has',
    files: {
      'roles/cache.yaml': '',
      'roles/web.yaml': 'files:\n  /etc/motd:\n    content: "{{hosts.cache.0.address}}"\n',
    },
    issues: [
      'roles/web.yaml:3:15 unresolved name "hosts.cache.0.address": "hosts.cache" is empty: no host of this environment has that role',
    ],
  },
  {
    name: 'a requirement that the host does not have, with the nearest one',
    files: { 'roles/web.yaml': 'services:\n  nginx: running\n  ntp: { requires: [services/ngnix] }\n' },
    issues: [
      'roles/web.yaml:3:21 requires "services/ngnix", which this host does not have, did you mean "services/nginx"?',
    ],
  },
  {
    name: 'a requirement that is no reference',
    files: { 'roles/web.yaml': 'services:\n  nginx: { requires: [Nginx] }\n' },
    issues: [
      'roles/web.yaml:2:23 expected a reference such as "packages/packages"',
      'roles/web.yaml:2:23 requires "Nginx", which this host does not have; known: services/nginx',
    ],
  },
  {
    name: 'requirements in a circle',
    files: {
      'roles/web.yaml':
        'services:\n  a: { requires: [services/b] }\n  b: { requires: [services/c] }\n  c: { requires: [services/a] }\n',
    },
    issues: ['roles/web.yaml:4:19 requirements go in a circle: services/a → services/b → services/c → services/a'],
  },
  {
    name: 'a resource that requires itself',
    files: { 'roles/web.yaml': 'services:\n  a: { requires: [services/a] }\n' },
    issues: ['roles/web.yaml:2:19 requirements go in a circle: services/a → services/a'],
  },
  {
    name: 'two owners of one path',
    files: { 'roles/web.yaml': 'files:\n  /srv/x: { content: x }\ndirectories:\n  /srv/x: {}\n' },
    issues: [
      'roles/web.yaml:2:3 two owners of /srv/x: files//srv/x and directories//srv/x (desired-state/roles/web.yaml:4:3); keep one of them',
    ],
  },
  {
    name: 'a variable that needs itself',
    files: { 'roles/web.yaml': 'vars:\n  a: "{{vars.b}}"\n  b: "{{vars.a}}"\n' },
    issues: ['roles/web.yaml:2:6 variable "a" needs itself'],
  },
  {
    name: 'a malformed network',
    files: { 'environments/dev.yaml': 'network: 10.0.0.0/33\nvars: { domain: x }\n' },
    issues: ['environments/dev.yaml:1:10 expected a network such as "10.0.0.0/8"'],
  },
  {
    name: 'wrong settings of the agent',
    files: { 'roles/web.yaml': 'agent:\n  splay: 5\n  schedul: x\n  tags: ["host:x"]\n' },
    issues: [
      'roles/web.yaml:2:10 expected a duration such as "90s", "15m", "2h" or "7d"',
      'roles/web.yaml:3:3 unknown key "schedul", did you mean "schedule"?',
      'roles/web.yaml:4:10 expected a tag such as "env:staging", but not "host:…", which the Datadog Agent sets',
    ],
  },
  {
    name: 'a wrong mode',
    files: { 'roles/web.yaml': 'mode: enforced\n' },
    issues: ['roles/web.yaml:1:7 expected "enforce" or "report", did you mean "enforce"?'],
  },
  {
    name: 'a link that leads out of the tree',
    files: { 'files/passwd': '-> ../../../etc/passwd' },
    issues: ['files/passwd:1:1 symbolic link to "../../../etc/passwd" leads out of the tree'],
  },
  {
    name: 'a link to an absolute path',
    files: { 'roles/cache.yaml': '-> /etc/passwd' },
    issues: ['roles/cache.yaml:1:1 symbolic link to "/etc/passwd" leads out of the tree'],
  },
  {
    name: 'a link that leads nowhere',
    files: { 'files/x': '-> y' },
    issues: ['files/x:1:1 symbolic link to "y" leads nowhere'],
  },
  {
    name: 'unknown keys of a role that no host has',
    files: { 'roles/cache.yaml': 'servces: {}\nservices:\n  redis: { enbled: true }\n' },
    issues: [
      'roles/cache.yaml:1:1 unknown key "servces", did you mean "services"?',
      'roles/cache.yaml:3:12 unknown key "enbled", did you mean "enabled"?',
    ],
  },
  {
    name: 'issues of several files and hosts, all at once and each once',
    files: {
      'hosts/web-2.yaml': 'environment: dev\nroles: [web]\naddress: 10.0.0.16\n',
      'roles/web.yaml': 'services:\n  nginx: { stat: running }\n',
      'roles/db.yaml': 'services:\n  postgresql: { enabled: 1 }\n',
      'environments/dev.yaml': 'network: 10.0.0.0/8\nvrs: {}\n',
    },
    issues: [
      'environments/dev.yaml:2:1 unknown key "vrs", did you mean "vars"?',
      'roles/db.yaml:2:26 expected true or false',
      'roles/web.yaml:2:12 unknown key "stat", did you mean "state"?',
    ],
  },
];

for (const { name, files, issues } of cases) {
  test(`the compiler reports ${name}`, () => {
    assert.deepEqual(issuesOf({ ...good, ...files }), issues);
  });
}

test('a tree without hosts is refused, so that a wrong directory does not take all manifests away', () => {
  assert.deepEqual(issuesOf({ 'roles/web.yaml': '' }), [
    'hosts:1:1 there is no host: expected files hosts/<name>.yaml',
  ]);
});

test('an issue of a role names all the hosts that it was found for', () => {
  const { issues } = compile({
    ...good,
    'hosts/web-2.yaml': 'environment: dev\nroles: [web]\naddress: 10.0.0.16\n',
    'roles/web.yaml': 'services:\n  nginx: { stat: running }\n',
  });
  assert.deepEqual(
    issues.map((issue) => issue.hosts),
    [['web-1', 'web-2']],
  );
});
