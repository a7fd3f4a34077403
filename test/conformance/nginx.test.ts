import assert from 'node:assert/strict';
import type { Host } from '../hosts/host.ts';
import { type Breakage, conformance } from './harness.ts';
import { CERTIFICATE, get, INSTALL_NGINX, NGINX, nginxSections, RELOAD_NGINX } from './nginx-site.ts';

async function servesBothSites(host: Host): Promise<void> {
  assert.equal(await get(host, { port: 80, path: '/' }), 'todo one\n');
  assert.equal(await get(host, { port: 8081, path: '/' }), 'second\n');
  await host.sh('nginx -t -q && systemctl is-active nginx && systemctl is-enabled nginx');
  assert.equal((await host.sh('ls -A /etc | grep holdfast || true')).trim(), '', 'something was left over');
}

function breakage(name: string, by: string, summary: RegExp, hazard: 'none' | 'reload' | 'destructive'): Breakage {
  const expect = { resource: NGINX, summary, hazard };
  return { name, by, expect, alsoCheck: servesBothSites };
}

conformance({
  title: 'nginx with two sites, a fragment and nothing else',
  sections: nginxSections(),
  prepare: `${INSTALL_NGINX}\n${CERTIFICATE}`,
  check: servesBothSites,
  breakages: [
    breakage(
      'a site is edited by hand',
      "sed -i 's/one/two/' /etc/nginx/sites-available/todo",
      /^rewrite sites-available\/todo, reload$/,
      'reload',
    ),
    breakage(
      'a site is edited and nginx reloaded',
      `sed -i 's/one/two/' /etc/nginx/sites-available/todo; ${RELOAD_NGINX}`,
      /^rewrite sites-available\/todo, reload$/,
      'reload',
    ),
    breakage(
      'the link of a site is removed',
      'rm /etc/nginx/sites-enabled/todo',
      /^enable site "todo", reload$/,
      'reload',
    ),
    breakage(
      'the link of a site goes elsewhere',
      'ln -sfn /etc/nginx/sites-available/second /etc/nginx/sites-enabled/todo',
      /enable site "todo" \(its link goes to \/etc\/nginx\/sites-available\/second/,
      'reload',
    ),
    breakage(
      'a copy stands where the link was',
      'cp --remove-destination /etc/nginx/sites-available/todo /etc/nginx/sites-enabled/todo',
      /enable site "todo" \(a file of its own stands there\)/,
      'reload',
    ),
    breakage(
      'the mode of a site is changed',
      'chmod 0666 /etc/nginx/sites-available/todo',
      /set sites-available\/todo to mode 0644 \(is 0666\)/,
      'reload',
    ),
    breakage(
      'the owner of a site is changed',
      'chown www-data /etc/nginx/sites-available/todo',
      /owner root:root \(is 33:0\)/,
      'reload',
    ),
    breakage(
      'a site file became a folder',
      'cd /etc/nginx/sites-available; rm todo; mkdir todo; touch todo/x',
      /replace sites-available\/todo \(is a directory\)/,
      'reload',
    ),
    breakage(
      'a fragment is emptied',
      ': >/etc/nginx/conf.d/tuning.conf',
      /^rewrite conf.d\/tuning.conf, reload$/,
      'reload',
    ),
    breakage(
      'an upgrade of the package brings its default site back',
      `printf 'server { listen 80 default_server; return 404; }' >/etc/nginx/sites-available/default
       ln -s /etc/nginx/sites-available/default /etc/nginx/sites-enabled/default; ${RELOAD_NGINX}`,
      /remove sites-enabled\/default, remove sites-available\/default, reload/,
      'reload',
    ),
    breakage(
      'somebody puts a site there by hand',
      `printf 'server { listen 8099; }' >/etc/nginx/sites-enabled/by-hand; ${RELOAD_NGINX}`,
      /remove sites-enabled\/by-hand, which is not declared/,
      'destructive',
    ),
    breakage(
      'somebody puts a site there by hand that nginx cannot load',
      "printf 'sevrer { listen 8099; }' >/etc/nginx/sites-enabled/by-hand",
      /remove sites-enabled\/by-hand, which is not declared/,
      'destructive',
    ),
    breakage(
      'a bad site by hand, and a good one edited',
      "printf 'sevrer {' >/etc/nginx/sites-enabled/by-hand; sed -i 's/one/two/' /etc/nginx/sites-available/todo",
      /^rewrite sites-available\/todo, remove sites-enabled\/by-hand/,
      'destructive',
    ),
    breakage('nginx is stopped', 'systemctl stop nginx', /^start \(it is inactive\/dead\)$/, 'none'),
    breakage(
      'nginx is killed',
      'systemctl kill --signal=KILL --kill-who=all nginx; until systemctl is-failed nginx; do sleep 0.1; done',
      /^start \(it is failed\/failed, signal\)$/,
      'none',
    ),
    breakage('nginx is masked while it runs', 'systemctl mask nginx', /^unmask/, 'none'),
    breakage('nginx is stopped and masked', 'systemctl mask --now nginx', /^unmask/, 'none'),
    breakage('nginx is disabled', 'systemctl disable nginx', /^enable \(it is disabled\)$/, 'none'),
    breakage(
      'a hand edit is reloaded and then undone: the disk is right, the workers are not',
      `cp -a /etc/nginx/sites-available/todo /root/kept; sed -i 's/one/two/' /etc/nginx/sites-available/todo
       ${RELOAD_NGINX}; until bash -c 'exec 3<>/dev/tcp/127.0.0.1/80; printf "GET / HTTP/1.0\\r\\n\\r\\n" >&3; cat <&3' | grep -q two; do sleep 0.1; done
       cp -a /root/kept /etc/nginx/sites-available/todo`,
      /^reload \(its workers run since before a change of \/etc\/nginx\/sites-/,
      'reload',
    ),
    breakage(
      'an undeclared snippet is edited and not reloaded',
      'echo "# x" >>/etc/nginx/snippets/snakeoil.conf',
      /^reload \(its workers run since before a change of \/etc\/nginx\/snippets\/snakeoil.conf\)$/,
      'reload',
    ),
    breakage(
      'the certificate is renewed and nginx not told',
      CERTIFICATE,
      /^reload \(its workers run since before a change of \/root\/tls\.(?:crt|key)/,
      'reload',
    ),
    breakage(
      'a swap was interrupted',
      'cp -a /etc/nginx /etc/.nginx.holdfast',
      /^remove \/etc\/\.nginx\.holdfast/,
      'none',
    ),
    breakage(
      'the sites are gone altogether',
      'rm -r /etc/nginx/sites-enabled /etc/nginx/sites-available',
      /create sites-available\/todo, enable site "todo"/,
      'reload',
    ),
  ],
});
