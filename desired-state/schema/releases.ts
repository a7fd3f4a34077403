import * as v from 'valibot';
import { defineKind } from './kind.ts';
import { byteSize, environmentMap, iniLine } from './supervisor.ts';
import { absolutePath, accountName, duration, positiveInteger, secretText } from './values.ts';

const count = v.pipe(
  v.number('expected a whole number'),
  v.integer('expected a whole number'),
  v.minValue(0, 'expected a whole number of at least 0'),
);

/** As `git check-ref-format` has it, without what no sensible name has. */
const refName = v.pipe(
  v.string('expected the name of a branch or tag'),
  v.regex(
    /^(?![-/.])(?!.*(?:\.\.|\/\/|@\{|\.lock(?:\/|$)))[^\s~^:?*[\\]+(?<![/.])$/,
    'expected the name of a branch or tag, without "refs/"',
  ),
);

const relativePath = v.pipe(
  v.string('expected a path inside of the repository'),
  v.regex(/^(?!\/)(?!.*(?:^|\/)\.\.?(?:\/|$))[^\0\s]+$/, 'expected a path inside of the repository'),
);

const dottedName = v.pipe(
  v.string('expected a Python module such as "todo.settings"'),
  v.regex(/^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*$/, 'expected a Python module such as "todo.settings"'),
);

const repository = v.pipe(
  secretText,
  v.check(
    (value) =>
      /^(?:(?:https?|ssh|git|file):\/\/\S+|\/\S+|[\w.-]+@[\w.-]+:\S+)$/.test(
        typeof value === 'string' ? value : value.reveal(),
      ),
    'expected a URL (https, ssh, git or file), an absolute path, or user@host:path',
  ),
);

const python = v.strictObject({
  interpreter: v.optional(
    v.pipe(absolutePath, v.description('The Python that virtualenvs are made with. Default: /usr/bin/python3.')),
    '/usr/bin/python3',
  ),
  requirements: v.optional(
    v.pipe(
      v.union(
        [
          v.pipe(
            relativePath,
            v.transform((path) => [path]),
          ),
          v.array(relativePath),
        ],
        'expected a path inside of the repository, or a list of them',
      ),
      v.description('Requirements files inside of the repository. Default: requirements.txt.'),
    ),
    ['requirements.txt'],
  ),
  packages: v.optional(
    v.pipe(
      v.array(v.pipe(v.string(), v.regex(/^[A-Za-z0-9][^\s]*$/, 'expected a requirement such as "gunicorn==23.0.0"'))),
      v.description('More requirements, such as "gunicorn==23.0.0". Default: none.'),
    ),
    [],
  ),
  system_packages: v.optional(
    v.pipe(
      v.boolean('expected true or false'),
      v.description(
        'Lets the application use Python packages of the distribution, such as python3-django. Default: false.',
      ),
    ),
    false,
  ),
  require_hashes: v.optional(
    v.pipe(v.boolean(), v.description('Refuses a requirement without a hash. Default: false.')),
    false,
  ),
});

const django = v.strictObject({
  settings: v.pipe(dottedName, v.description('The settings module, such as todo.settings.')),
  manage: v.optional(v.pipe(relativePath, v.description('Default: manage.py.')), 'manage.py'),
  migrate: v.optional(
    v.pipe(v.boolean(), v.description('Applies migrations that are missing, one host at a time. Default: true.')),
    true,
  ),
  collectstatic: v.optional(
    v.pipe(v.boolean(), v.description("Collects static files into the release's own directory. Default: true.")),
    true,
  ),
});

const gunicorn = v.strictObject({
  application: v.optional(
    v.pipe(
      v.string(),
      v.regex(
        /^[A-Za-z_][\w.]*:[A-Za-z_]\w*(?:\(\))?$/,
        'expected a module and a name, such as "todo.wsgi:application"',
      ),
      v.description('What gunicorn serves. Default: `wsgi:application` of the package that holds the settings.'),
    ),
  ),
  process_name: v.optional(v.pipe(v.string(), v.regex(/^[\w.-]+$/), v.description("Default: the release's name."))),
  workers: v.optional(v.pipe(positiveInteger, v.description('Worker processes. Default: 3.')), 3),
  threads: v.optional(v.pipe(positiveInteger, v.description('Threads of each worker. Default: 1.')), 1),
  timeout: v.optional(
    v.pipe(count, v.description('Seconds after which a silent worker is killed. Default: 300.')),
    300,
  ),
  graceful_timeout: v.optional(
    v.pipe(positiveInteger, v.description('Seconds that a worker may take to finish its requests. Default: 30.')),
    30,
  ),
  max_requests: v.optional(
    v.pipe(count, v.description('Requests after which a worker is replaced; 0 for never. Default: 0.')),
    0,
  ),
  log_level: v.optional(
    v.pipe(v.picklist(['debug', 'info', 'warning', 'error', 'critical']), v.description('Default: info.')),
    'info',
  ),
  statsd_host: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^(?:[\w.-]+:\d+|unix:\/\S+)$/, 'expected host:port'),
      v.description('Where gunicorn sends its own metrics.'),
    ),
  ),
  statsd_prefix: v.optional(v.pipe(v.string(), v.regex(/^[\w.-]*$/), v.description("Default: the release's name."))),
  arguments: v.optional(
    v.pipe(v.array(iniLine), v.description('More arguments for gunicorn, one each. Default: none.')),
    [],
  ),
});

const health = v.strictObject({
  path: v.optional(
    v.pipe(v.string(), v.regex(/^\/\S*$/, 'expected a path such as "/healthz"'), v.description('Default: /.')),
    '/',
  ),
  status: v.optional(
    v.pipe(
      v.array(v.pipe(count, v.minValue(100), v.maxValue(599))),
      v.description('Statuses of a healthy answer. Default: 200, 204, 301, 302.'),
    ),
    [200, 204, 301, 302],
  ),
  host: v.optional(
    v.pipe(v.string(), v.regex(/^[\w.:-]+$/), v.description('The Host header. Default: localhost.')),
    'localhost',
  ),
  timeout: v.optional(
    v.pipe(duration, v.description('How long a new release may take to become healthy. Default: 60s.')),
    '60s',
  ),
  settle: v.optional(
    v.pipe(
      duration,
      v.description('How long the old release stays up beside the new one after the switch. Default: 5s.'),
    ),
    '5s',
  ),
  grace: v.optional(
    v.pipe(
      duration,
      v.description('How long after the switch a bad turn returns the host to the release before. Default: 10m.'),
    ),
    '10m',
  ),
});

const entry = v.pipe(
  v.strictObject({
    repository: v.pipe(
      repository,
      v.description('Where the source is: a URL, user@host:path or an absolute path. May be a secret.'),
    ),
    branch: v.optional(v.pipe(refName, v.description('Follows this branch. Default: master.'))),
    tag: v.optional(v.pipe(refName, v.description('Deploys this tag.'))),
    commit: v.optional(
      v.pipe(
        v.string(),
        v.regex(/^[0-9a-f]{40}$/, 'expected a commit of 40 hexadecimal digits'),
        v.description('Deploys this commit.'),
      ),
    ),
    poll: v.optional(v.pipe(duration, v.description('How often the branch or tag is looked up. Default: 60s.')), '60s'),
    user: v.optional(
      v.pipe(accountName, v.description("Account that owns and runs the application. Default: the release's name.")),
    ),
    group: v.optional(v.pipe(accountName, v.description('Default: webapps.')), 'webapps'),
    directory: v.optional(v.pipe(absolutePath, v.description('Default: /srv/NAME.'))),
    python: v.optional(v.pipe(python, v.description('How the virtualenv is made.')), {}),
    django: v.optional(v.pipe(django, v.description("Django's part; leave it out for another WSGI application."))),
    gunicorn: v.optional(v.pipe(gunicorn, v.description('How gunicorn serves it.')), {}),
    environment: v.optional(
      v.pipe(environmentMap, v.description('Environment variables of the application; may hold secrets.')),
      {},
    ),
    health: v.optional(
      v.pipe(health, v.description('What a release must answer before, and after, it takes requests.')),
      {},
    ),
    keep: v.optional(
      v.pipe(positiveInteger, v.description('Releases that are kept, the running one included. Default: 3.')),
      3,
    ),
    socket: v.optional(
      v.pipe(absolutePath, v.description('The socket that nginx talks to. Default: /run/NAME/gunicorn.sock.')),
    ),
    log: v.optional(v.pipe(absolutePath, v.description('Default: /var/log/NAME/gunicorn.log.'))),
    log_maxbytes: v.optional(
      v.pipe(byteSize, v.description('Size at which the log is rotated. Default: 50MB.')),
      '50MB',
    ),
    log_backups: v.optional(v.pipe(count, v.description('Rotated logs that are kept. Default: 5.')), 5),
  }),
  v.check(
    ({ branch, tag, commit }) => [branch, tag, commit].filter((one) => one !== undefined).length <= 1,
    'expected at most one of "branch", "tag" and "commit"',
  ),
  v.check(
    ({ django: settings, gunicorn: server }) => settings !== undefined || server.application !== undefined,
    'expected "django" with its settings, or "gunicorn.application"',
  ),
  v.check(
    ({ environment }) => !Object.hasOwn(environment, 'STATIC_ROOT') && !Object.hasOwn(environment, 'RELEASE'),
    'STATIC_ROOT and RELEASE are set for each release by itself',
  ),
);

/** The compiled name of a release becomes the name of files, a supervisor program and a directory. */
export const releases = defineKind({
  form: 'each',
  entry,
  description:
    'Applications that are deployed from git: release directory, virtualenv, migrations, switch without a lost request.',
  owns: (name, spec) => [
    spec.directory ?? `/srv/${name}`,
    spec.socket ?? `/run/${name}/gunicorn.sock`,
    spec.log ?? `/var/log/${name}/gunicorn.log`,
  ],
});
