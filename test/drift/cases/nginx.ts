import { RELOAD_NGINX } from '../../conformance/nginx-site.ts';
import type { Case } from '../case.ts';

const TREE = '/etc/nginx';
const RUNS = ['nginx runs'];
/** Whatever else of nginx is broken too, it is reloaded or started for that. */
const ALL = [...RUNS, 'site todo', 'site status', 'site rogue', 'site default', 'nginx at boot'];
const ACTIVE = 'systemctl is-active --quiet nginx; systemctl is-enabled --quiet nginx';

function nginx(name: string, by: string, says: RegExp, more: Partial<Case> = {}): Case {
  return { name, on: 'web', by, resource: 'nginx/nginx', says, ...more };
}

export const nginxCases: readonly Case[] = [
  nginx(
    'a site is edited and nginx reloaded',
    `sed -i 's/4g;/1k;/' ${TREE}/sites-available/todo; ${RELOAD_NGINX}`,
    /\brewrite sites-available\/todo\b/,
    {
      healed: `grep -q 'client_max_body_size 4g;' ${TREE}/sites-available/todo`,
      touches: ['site todo', ...RUNS],
    },
  ),
  nginx(
    'a site is put there by hand',
    `echo 'server { listen 8081; return 204; }' >${TREE}/sites-enabled/rogue`,
    /\bremove sites-enabled\/rogue, which is not declared/,
    {
      hazard: 'destructive',
      healed: `test ! -e ${TREE}/sites-enabled/rogue`,
      touches: ['site rogue'],
    },
  ),
  nginx('a site is disabled by hand', `rm ${TREE}/sites-enabled/status`, /\benable site "status"/, {
    healed: 'until_true "curl -fsS http://127.0.0.1:81/nginx_status"',
    touches: ['site status'],
  }),
  nginx(
    "Debian's default site is back",
    `echo 'server { listen 80 default_server; }' >${TREE}/sites-available/default; ln -s ${TREE}/sites-available/default ${TREE}/sites-enabled/default`,
    /\bremove sites-enabled\/default, remove sites-available\/default/,
    {
      healed: `test ! -e ${TREE}/sites-available/default -a ! -L ${TREE}/sites-enabled/default`,
      touches: ['site default'],
    },
  ),
  nginx(
    'a site belongs to somebody else and is writable',
    `chown todo:webapps ${TREE}/sites-available/status; chmod 0666 ${TREE}/sites-available/status`,
    /\bset sites-available\/status to mode 0644 \(is 0666\)/,
    {
      healed: `test "$(stat -c '%a %U' ${TREE}/sites-available/status)" = '644 root'`,
      touches: ['site status'],
    },
  ),
  nginx(
    'nginx runs a configuration that was put back since',
    `cp -p ${TREE}/sites-available/todo /root/site; sed -i 's/4g;/1k;/' ${TREE}/sites-available/todo
    ${RELOAD_NGINX}; cat /root/site >${TREE}/sites-available/todo`,
    /^reload \(its workers run since before a change of .*sites-\w+\/todo/,
    {
      hazard: 'reload',
      touches: ALL,
    },
  ),
  nginx('nginx is stopped', 'systemctl stop nginx', /^start \(it is inactive\/dead\)$/, {
    healed: ACTIVE,
    touches: ALL,
  }),
  nginx(
    'nginx is killed',
    'kill -9 $(cat /run/nginx.pid); pkill -9 -x nginx || true; until_true "systemctl is-failed --quiet nginx"',
    /^start \(it is failed\/failed/,
    { healed: ACTIVE, touches: ALL },
  ),
  nginx('nginx is masked and stopped', 'systemctl mask --now nginx 2>/dev/null', /^unmask /, {
    also: [
      { resource: 'nginx/nginx', says: /^start \(/ },
      { resource: 'nginx/nginx', says: /^enable \(/ },
    ],
    healed: ACTIVE,
    touches: ALL,
  }),
  nginx('nginx does not start at boot', 'systemctl disable nginx 2>/dev/null', /^enable \(it is disabled\)$/, {
    healed: ACTIVE,
    touches: ['nginx at boot'],
  }),
];
