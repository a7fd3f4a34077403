import assert from 'node:assert/strict';
import type { Host } from '../hosts/host.ts';
import { type Breakage, conformance } from './harness.ts';
import { prepareReleases, releasesImage, SOCKET, serving, todo } from './releases-host.ts';

const CONF = '/etc/supervisor/conf.d';

async function appServes(host: Host): Promise<void> {
  const head = (await host.sh('git -C /root/todomvc rev-parse --short=12 HEAD')).trim();
  assert.equal(await serving(host), head);
  const programs = (await host.sh('supervisorctl status || true')).trim().split('\n');
  assert.equal(programs.length, 1, programs.join('\n'));
  assert.match(programs[0] ?? '', /^todo-(?:blue|green)\s+RUNNING/);
  const facts =
    await host.sh(`readlink /srv/todo/current | cut -c1-21; stat -c %U:%G:%a /var/log/todo /var/log/todo/gunicorn.log
    stat -c %a ${CONF}/release-todo-*.conf; ls /srv/todo/static/current/ | grep -c . | sed 's/^[1-9].*/files/'; stat -c %U /proc/$(pgrep -o -f gunicorn)`);
  assert.deepEqual(facts.trim().split('\n'), [
    `releases/${head}`,
    'todo:webapps:774',
    'todo:webapps:664',
    '600',
    'files',
    'todo',
  ]);
  // One master and its worker, and none that another master has left behind; each slot's control socket is its own.
  const master = (await host.sh("pgrep -f '^gunicorn: master'")).trim();
  const parents = await host.sh("ps -o ppid= -p $(pgrep -d , -f '^gunicorn: worker')");
  assert.deepEqual(parents.trim().split(/\s+/), [master]);
  const slot = /^todo-(blue|green)/.exec(programs[0] ?? '')?.[1];
  assert.equal((await host.sh('ls /run/todo/*/gunicorn.ctl')).trim(), `/run/todo/${slot}/gunicorn.ctl`);
  // Secrets are in the environment of the processes and in root's own file, not on a command line.
  await host.sh(`! ps axww -o args | grep -v grep | grep -q awkward`);
}

function breakage(name: string, by: string, summary: RegExp, hazard: 'none' | 'reload' = 'none'): Breakage {
  return { name, by, expect: { resource: 'releases/todo', summary, hazard }, alsoCheck: appServes };
}

const SITE = '/srv/todo/venvs/*/lib/python3*/site-packages';

conformance({
  title: 'the example application, released from git',
  sections: { releases: { todo: todo() } },
  host: { image: await releasesImage() },
  prepare: prepareReleases,
  check: appServes,
  breakages: [
    breakage('the socket link is gone', `rm ${SOCKET}`, /^set \/run\/todo\/gunicorn\.sock to/, 'reload'),
    breakage(
      'the socket link leads nowhere',
      `ln -sfn nowhere ${SOCKET}`,
      /^set \/run\/todo\/gunicorn\.sock to/,
      'reload',
    ),
    breakage(
      'the current link leads elsewhere',
      'ln -sfn /tmp /srv/todo/current',
      /^set \/srv\/todo\/current to/,
      'reload',
    ),
    breakage(
      'the static link is gone',
      'rm /srv/todo/static/current',
      /^set \/srv\/todo\/static\/current to/,
      'reload',
    ),
    breakage('the file for the next boot is gone', 'rm /etc/tmpfiles.d/holdfast-todo.conf', /tmpfiles\.d/, 'reload'),
    breakage(
      'the program is stopped by hand',
      'supervisorctl stop todo-blue todo-green || true',
      /^start todo-\w+ \(is STOPPED\)/,
    ),
    breakage(
      'its socket is deleted',
      'rm /run/todo/blue.sock /run/todo/green.sock || true',
      /its socket is gone/,
      'reload',
    ),
    breakage(
      'a source file is edited',
      'echo "# x" >>/srv/todo/current/todo/wsgi.py',
      /todo\/wsgi\.py: content changed/,
      'reload',
    ),
    breakage('a source file is deleted', 'rm /srv/todo/current/todos/health.py', /todos\/health\.py: gone/, 'reload'),
    breakage(
      'a file is put into the sources',
      'echo 1 >/srv/todo/current/sitecustomize.py',
      /entries added or removed/,
      'reload',
    ),
    breakage('the sources are handed to another', 'chown -R root /srv/todo/current/todo', /owner changed/, 'reload'),
    breakage(
      'a static file is edited',
      'f=$(ls -d /srv/todo/static/current/*/* | head -1); [ -d "$f" ] && touch "$f/x" || echo x >>"$f"',
      /static files: changed by hand/,
      'reload',
    ),
    breakage(
      'a package is installed by hand',
      `cp -r ${SITE}/asgiref $(ls -d ${SITE})/extra`,
      /virtualenv .*changed by hand .*entries added/,
      'reload',
    ),
    breakage('a package is removed by hand', `rm -rf ${SITE}/sqlparse`, /virtualenv .*changed by hand/, 'reload'),
    breakage(
      'a module of a package is edited',
      `echo '# x' >>$(ls ${SITE}/typing_extensions.py)`,
      /typing_extensions\.py: content changed/,
      'reload',
    ),
    breakage(
      'the interpreter of the virtualenv is gone',
      'ln -sfn /usr/bin/python3.1 $(ls -d /srv/todo/venvs/*/bin)/python3',
      /virtualenv/,
      'reload',
    ),
    breakage(
      'the configuration is edited and nothing is told',
      `sed -i 's/--workers 1/--workers 2/' ${CONF}/release-todo-*.conf`,
      /configuration differs/,
      'reload',
    ),
    breakage(
      'the configuration is edited and supervisor runs it',
      `sed -i 's/--workers 1/--workers 2/' ${CONF}/release-todo-*.conf; supervisorctl update >/dev/null`,
      /configuration differs/,
      'reload',
    ),
    breakage(
      'the configuration with its secrets is readable for all',
      `chmod 644 ${CONF}/release-todo-*.conf`,
      /the mode of its configuration is 0644/,
      'reload',
    ),
    breakage(
      'the log belongs to root',
      'chown root:root /var/log/todo/gunicorn.log; chmod 600 /var/log/todo/gunicorn.log',
      /gunicorn\.log belongs to 0:0/,
    ),
    breakage('the log directory has another mode', 'chmod 700 /var/log/todo', /\/var\/log\/todo has mode 0700/),
    breakage('the media directory is gone', 'rmdir /srv/todo/media', /\/srv\/todo\/media is not there/),
    breakage('a foreign tree lies among the releases', 'mkdir /srv/todo/releases/by-hand', /^remove releases\/by-hand/),
    breakage(
      'an unfinished virtualenv is left over',
      'mkdir -p /srv/todo/venvs/0123456789ab/bin',
      /^remove venvs\/0123456789ab/,
    ),
    breakage('the seals are lost', 'rm -rf /var/lib/holdfast/releases/todo/seals', /not finished/, 'reload'),
    breakage(
      'a program is left in the other slot',
      `other=$(ls ${CONF} | grep -q blue && echo green || echo blue); printf "[program:todo-$other]\\ncommand=/bin/sleep 99\\n" >${CONF}/release-todo-$other.conf; supervisorctl update >/dev/null`,
      /^stop todo-\w+, which no longer serves/,
    ),
    breakage('the whole application is gone', 'rm -rf /srv/todo', /deploy/, 'reload'),
    breakage('supervisor is stopped', 'systemctl stop supervisor', /supervisord does not answer/),
  ],
});
