import type { Case } from '../case.ts';

const PACKAGES = 'packages/packages';
const REMOVE = 'DEBIAN_FRONTEND=noninteractive apt-get -qq -y remove';
const installed = (...names: readonly string[]): string =>
  names.map((name) => `dpkg-query -Wf '\${Status}' ${name} | grep -q 'ok installed'`).join('\n');

export const packages: readonly Case[] = [
  {
    name: 'a package is removed',
    on: 'web',
    by: `${REMOVE} htop >/dev/null`,
    resource: PACKAGES,
    says: /^install .*\bhtop\b/,
    hazard: 'none',
    healed: installed('htop'),
    touches: ['package htop'],
  },
  {
    name: 'a package that was asked for is marked as a dependency',
    on: 'db',
    by: 'apt-mark auto acl >/dev/null',
    resource: PACKAGES,
    says: /\bmark manual acl\b/,
    healed: 'apt-mark showmanual | grep -x acl >/dev/null',
    touches: ['package acl'],
  },
  {
    name: 'dpkg is interrupted between unpacking and configuring',
    on: 'web',
    by: 'dpkg --unpack /srv/apt/tools/drift-tool_1.0_all.deb >/dev/null',
    resource: PACKAGES,
    says: /^finish what an interrupted dpkg left half done/,
    hazard: 'restart',
    healed: `${installed('drift-tool')}; grep -qx 'colour = red' /etc/drift-tool.conf`,
    touches: ['package drift-tool', 'dpkg'],
    alone: true,
  },
  {
    name: 'nginx and supervisor are removed by apt',
    on: 'web',
    by: `${REMOVE} nginx nginx-common supervisor >/dev/null`,
    resource: PACKAGES,
    says: /^install .*(supervisor.*nginx|nginx.*supervisor)/,
    also: [
      { resource: 'nginx/nginx', says: /^start \(/ },
      { resource: 'services/supervisor', says: /^start \(/ },
      { resource: 'releases/todo', says: /^start todo-\w+ \(supervisord does not answer\)/ },
      { resource: 'supervisor/supervisor', says: /^start supervisord/ },
    ],
    healed: installed('nginx', 'supervisor'),
    alone: true,
  },
  {
    name: 'the database server is removed by apt, its data left behind',
    on: 'db',
    by: `${REMOVE} postgresql postgresql-15 >/dev/null`,
    resource: PACKAGES,
    says: /^install postgresql\b/,
    also: [{ resource: 'postgres/postgres', says: /^(start|create cluster)/ }],
    healed: installed('postgresql', 'postgresql-15'),
    alone: true,
  },
];

export const repositories: readonly Case[] = [
  {
    name: 'a package source is edited',
    on: 'web',
    by: "sed -i 's#file:/srv/apt/tools#file:/srv/apt/other#' /etc/apt/sources.list.d/tools.sources",
    resource: 'repositories/repositories',
    says: /^write the source of the repository tools/,
    healed: "grep -qx 'URIs: file:/srv/apt/tools' /etc/apt/sources.list.d/tools.sources",
  },
  {
    name: "a repository's key is exchanged",
    on: 'web',
    by: 'gpg --armor --export >/dev/null; echo forged >/etc/apt/keyrings/tools.asc',
    resource: 'repositories/repositories',
    says: /^write the key of the repository tools/,
    healed: 'grep -q "BEGIN PGP PUBLIC KEY" /etc/apt/keyrings/tools.asc',
  },
  {
    name: 'a package source is removed and its key writable by all',
    on: 'web',
    by: 'rm /etc/apt/sources.list.d/tools.sources; chmod 0666 /etc/apt/keyrings/tools.asc',
    resource: 'repositories/repositories',
    says: /^write the key and source of the repository tools/,
    healed: 'test "$(stat -c %a /etc/apt/keyrings/tools.asc)" = 644',
  },
];
