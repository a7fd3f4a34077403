import { BY_HAND, type Case } from '../case.ts';

const VENV = '$(dirname "$(dirname "$(grep -o \'/srv/todo/venvs/[^/]*/bin/python\' "$SLOT" | head -1)")")';
const SERVES = `test "$(curl -s --max-time 10 --unix-socket /run/todo/gunicorn.sock -o /dev/null -w '%{http_code}' http://localhost/healthz)" = 200
test "$(supervisorctl status | grep -c '^todo-.*RUNNING')" = 1
test "$(stat -c %a "$SLOT")" = 600
! grep -q '${BY_HAND}' "$SLOT"; started_after "$(supervisorctl pid "todo-$LIVE:todo-$LIVE")" "$SLOT"`;

const UPKEEP = ['slot', 'link of the socket', 'other links', 'tmpfiles', 'strays'];

/** A new deployment leads everything else back by the way: nothing of that is broken beside it. */
function todo(name: string, by: string, says: RegExp, more: Partial<Case> = {}): Case {
  return { name, on: 'web', by, resource: 'releases/todo', says, healed: SERVES, touches: UPKEEP, ...more };
}

export const releases: readonly Case[] = [
  todo(
    'the application is stopped',
    'supervisorctl stop "todo-$LIVE:*" >/dev/null',
    /^start todo-\w+ \(is STOPPED\)$/,
    { touches: ['slot'] },
  ),
  todo(
    'the application is taken out of supervisor',
    'supervisorctl stop "todo-$LIVE:*" >/dev/null; supervisorctl remove "todo-$LIVE" >/dev/null',
    /^start todo-\w+ \(supervisor does not know it\)$/,
    { touches: ['slot'] },
  ),
  todo(
    'the environment is edited and the application restarted',
    `sed -i 's/SECRET_KEY="[^"]*"/SECRET_KEY="${BY_HAND}"/' "$SLOT"; grep -q ${BY_HAND} "$SLOT"; supervisorctl update "todo-$LIVE" >/dev/null`,
    /^deploy .*the declared configuration differs from the one that runs/,
    {
      hazard: 'reload',
    },
  ),
  todo(
    'the application runs with an environment that was put back since',
    `cp -p "$SLOT" /root/slot; sed -i 's/SECRET_KEY="[^"]*"/SECRET_KEY="${BY_HAND}"/' "$SLOT"; supervisorctl update "todo-$LIVE" >/dev/null
    cat /root/slot >"$SLOT"; rm /root/slot`,
    /^deploy .*supervisor runs it with an older configuration/,
  ),
  todo(
    'the configuration with its secrets is readable by all',
    'chmod 0644 "$SLOT"',
    /^deploy .*the mode of its configuration is 0644/,
  ),
  todo(
    'nginx is led to a socket that nobody serves',
    'ln -sfn nobody.sock /run/todo/gunicorn.sock',
    /^set .*\/run\/todo\/gunicorn\.sock.* to the running release$/,
    { touches: ['link of the socket'] },
  ),
  todo(
    'the links are gone',
    'rm /srv/todo/current /srv/todo/static/current',
    /^set .*\/srv\/todo\/current, \/srv\/todo\/static\/current.* to the running release$/,
    { touches: ['other links'] },
  ),
  todo(
    'what systemd makes at boot is gone',
    'rm /etc/tmpfiles.d/holdfast-todo.conf',
    /^set .*\/etc\/tmpfiles\.d\/holdfast-todo\.conf to/,
    { touches: ['tmpfiles'] },
  ),
  todo(
    'the sockets are gone while the application runs',
    'rm -r /run/todo',
    /^deploy .*its socket is gone while it runs/,
    {
      also: [
        {
          resource: 'releases/todo',
          says: /^set up directories: \/run\/todo is not there; \S+\/blue is not there; \S+\/green is not there$/,
        },
      ],
    },
  ),
  todo(
    'the source of the release is edited',
    'echo "# by hand" >>/srv/todo/current/todo/settings.py',
    /^deploy .*release \w+\.\d+: changed by hand \(todo\/settings\.py: content changed\)/,
  ),
  todo(
    'a package of the virtualenv is edited and another one put there',
    `echo '# by hand' >>"${VENV}"/lib/python3.11/site-packages/django/__init__.py; mkdir "${VENV}"/lib/python3.11/site-packages/byhand`,
    /^deploy .*virtualenv \w+\.\d+: changed by hand \(lib\/python3\.11\/site-packages: entries added or removed; /,
  ),
  todo(
    "the virtualenv's interpreter is gone",
    `ln -sfn /usr/bin/python3.99 "${VENV}"/bin/python3`,
    /^deploy .*virtualenv \w+\.\d+: /,
  ),
  todo(
    'a static file is removed',
    'rm /srv/todo/static/current/staticfiles.json',
    /^deploy .*static files: changed by hand/,
  ),
  todo(
    'directories and the log belong to others',
    'chown root:root /srv/todo/media /var/log/todo/gunicorn.log; chmod 0700 /var/log/todo',
    /^set up directories: \/srv\/todo\/media belongs to 0:0; \/var\/log\/todo has mode 0700; \/var\/log\/todo\/gunicorn\.log belongs to 0:0$/,
    {
      healed:
        "test \"$(stat -c '%a %U %G' /var/log/todo /var/log/todo/gunicorn.log /srv/todo/media | tr '\\n' ,)\" = '774 todo webapps,664 todo webapps,755 todo webapps,'",
      touches: ['the layout of todo'],
    },
  ),
  todo(
    'a tree lies among the releases that is none',
    'mkdir /srv/todo/releases/by-hand',
    /^remove releases\/by-hand$/,
    {
      healed: 'test ! -e /srv/todo/releases/by-hand',
      touches: ['strays'],
    },
  ),
];
