/** The peers' stack as a manifest of Holdfast: the same resources with the same content. */
import { Secret } from '../../desired-state/schema/secret.ts';
import type { Sections } from '../../test/conformance/agent-on-host.ts';
import type { Host } from '../../test/hosts/host.ts';
import { rendered, VALUES } from './templates.ts';

const CREDENTIALS = '/opt/peers/ansible/files';
const PACKAGES = [
  'nginx',
  'supervisor',
  'postgresql',
  'python3-venv',
  'git',
  'acl',
  'gunicorn',
  'python3-django',
  'python3-psycopg2',
];
const SCALE_FILES = 500;
const DEFAULT_SITE = '/etc/nginx/sites-enabled/default';
const OWNED = { owner: VALUES.app_user, group: VALUES.app_group };

/**
 * What the peers declare, but for the git checkout and the virtualenv that they fill in place: an application is a
 * `releases` to Holdfast, which builds it elsewhere (see `releaseSections`).
 */
export async function stackSections(host: Host): Promise<Sections> {
  const { app, app_dir, venv_dir } = VALUES;
  return {
    ...(await commonSections(host)),
    directories: {
      '/webapps': {},
      [app_dir]: OWNED,
      [venv_dir]: OWNED,
      [`${venv_dir}/run`]: OWNED,
      [`${venv_dir}/logs`]: OWNED,
      '/etc/nginx/ssl': {},
    },
    files: {
      [`${venv_dir}/bin/gunicorn_start`]: { ...OWNED, mode: '0755', content: rendered('gunicorn_start') },
      [`${venv_dir}/bin/postactivate`]: { ...OWNED, mode: '0640', content: new Secret(rendered('postactivate')) },
    },
    supervisor: { programs: { [app]: { content: rendered('supervisor.conf') } } },
    // As the peers do: of the default site only the link goes, and before nginx looks at the rest.
    symlinks: { [DEFAULT_SITE]: 'absent' },
    nginx: { sites: sites(rendered('nginx_site')), requires: [`symlinks/${DEFAULT_SITE}`] },
  };
}

/** The same stack with the application as a release: from a blank host, checkout and virtualenv included. */
export async function releaseSections(host: Host): Promise<Sections> {
  const { app, app_user, app_group, app_dir, venv_dir, workers } = VALUES;
  const directory = `/srv/${app}`;
  const socket = `/run/${app}/gunicorn.sock`;
  const site = rendered('nginx_site')
    .replace(`${venv_dir}/run/gunicorn.sock`, socket)
    .replace(`${app_dir}/todo/static/`, `${directory}/current/todo/static/`);
  return {
    ...(await commonSections(host)),
    releases: {
      [app]: {
        repository: '/srv/todo.git',
        user: app_user,
        group: app_group,
        directory,
        socket,
        python: { system_packages: true },
        gunicorn: { application: 'wsgi:application', workers: Number(workers), log_level: 'info' },
        environment: environmentOf(rendered('postactivate')),
      },
    },
    nginx: { sites: { ...sites(site), default: 'absent' } },
  };
}

/** Of a script of lines `export NAME="value"`. */
function environmentOf(script: string): Readonly<Record<string, Secret>> {
  const pairs = [...script.matchAll(/^export (\w+)="(.*)"$/gm)];
  return Object.fromEntries(pairs.map(([, name = '', value = '']) => [name, new Secret(value)]));
}

async function commonSections(host: Host): Promise<Sections> {
  const { app_user, app_group, db_name, db_user, db_password, dd_user, dd_password } = VALUES;
  const [certificate, key] = await Promise.all(
    ['todo.crt', 'todo.key'].map((name) => host.readFile(`${CREDENTIALS}/${name}`)),
  );
  if (certificate === undefined || key === undefined) throw new Error('the host was not prepared');
  return {
    packages: Object.fromEntries(PACKAGES.map((name) => [name, { recommends: false }])),
    groups: { [app_group]: 'present' },
    users: { [app_user]: { group: app_group, shell: '/bin/bash', home: '/home/todo' } },
    services: { nginx: 'running', supervisor: 'running', postgresql: 'running' },
    certificates: {
      todo: {
        certificate,
        key: new Secret(key),
        certificate_path: '/etc/nginx/ssl/todo.crt',
        key_path: '/etc/nginx/ssl/todo.key',
      },
    },
    postgres: {
      settings: { listen_addresses: 'localhost' },
      hba: [
        { type: 'local', user: 'postgres', method: 'peer' },
        { type: 'local', method: 'peer' },
        { from: ['127.0.0.1/32', '::1/128'], method: 'scram-sha-256' },
      ],
      roles: {
        [db_user]: { login: true, password: new Secret(db_password) },
        [dd_user]: { login: true, password: new Secret(dd_password) },
      },
      databases: {
        [db_name]: {
          encoding: 'UTF8',
          locale: 'C.UTF-8',
          template: 'template0',
          grants: [
            { to: db_user, privileges: 'ALL' },
            { to: dd_user, privileges: ['select'], on: { schema: 'pg_catalog', table: 'pg_stat_database' } },
          ],
        },
      },
    },
  };
}

function sites(todo: string): Readonly<Record<string, unknown>> {
  return { todo: { content: todo, certificate: 'todo' }, status: { content: rendered('nginx_status') } };
}

/** The 500 files of the scaled variant. */
export function scaleSections(): Sections {
  const names = Array.from({ length: SCALE_FILES }, (_, index) => String(index).padStart(3, '0'));
  return {
    directories: { '/etc/scale': {} },
    files: Object.fromEntries(
      names.map((item) => [`/etc/scale/${item}.conf`, { content: rendered('scale.conf', { item }) }]),
    ),
  };
}

/** Both, section by section. */
export function joined(one: Sections, other: Sections): Sections {
  const kinds = new Set([...Object.keys(one), ...Object.keys(other)]);
  return Object.fromEntries([...kinds].map((kind) => [kind, { ...entriesOf(one[kind]), ...entriesOf(other[kind]) }]));
}

function entriesOf(section: unknown): object {
  return typeof section === 'object' && section !== null ? section : {};
}
