import { join } from 'node:path';
import type { MaybeSecret } from '../../../desired-state/schema/secret.ts';
import { renderProgram } from '../shared/supervisor-program.ts';
import { type Colour, type Layout, layoutOf, type Spec, slotDirectory, slotGroup, slotSocket } from './layout.ts';

/** The trees that a slot runs from, by their directory names. */
export interface Trees {
  readonly release: string;
  readonly venv: string;
  /** `undefined` where nothing is collected. */
  readonly static: string | undefined;
}

/** Of supervisor's first try: a gunicorn that cannot import its application is gone within a second or two. */
export const START_SECONDS = 3;
export const START_RETRIES = 2;
/** After `graceful_timeout` gunicorn kills its workers itself; supervisor's kill comes only after that. */
const STOP_SLACK_SECONDS = 10;

export function stopBound_ms(spec: Spec): number {
  return (spec.gunicorn.graceful_timeout + 2 * STOP_SLACK_SECONDS) * 1000;
}

/** The environment of the application: of gunicorn and of `manage.py` alike. */
export function environmentOf(spec: Spec, trees: Trees): Readonly<Record<string, MaybeSecret>> {
  const layout = layoutOf(spec);
  return {
    ...(spec.django === undefined ? {} : { DJANGO_SETTINGS_MODULE: spec.django.settings }),
    MEDIA_ROOT: layout.media,
    HOME: layout.directory,
    LANG: 'C.UTF-8',
    // What runs leaves nothing behind in the trees that it runs from.
    PYTHONDONTWRITEBYTECODE: '1',
    PYTHONUNBUFFERED: '1',
    PATH: `${join(layout.directory, 'venvs', trees.venv, 'bin')}:/usr/local/bin:/usr/bin:/bin`,
    ...spec.environment,
    ...(trees.static === undefined ? {} : { STATIC_ROOT: join(layout.directory, 'static', trees.static) }),
    RELEASE: trees.release.slice(0, 12),
  };
}

/** The file of a slot: everything that its processes depend on is in it, so that another text means another process. */
export function renderSlot(spec: Spec, colour: Colour, trees: Trees): MaybeSecret {
  const layout = layoutOf(spec);
  return renderProgram(slotGroup(spec, colour), {
    command: commandLine(spec, layout, colour, trees),
    user: layout.user,
    directory: join(layout.directory, 'releases', trees.release),
    environment: { XDG_RUNTIME_DIR: slotDirectory(layout, colour), ...environmentOf(spec, trees) },
    autostart: true,
    autorestart: true,
    startsecs: START_SECONDS,
    startretries: START_RETRIES,
    exitcodes: [0],
    stopsignal: 'TERM',
    stopwaitsecs: spec.gunicorn.graceful_timeout + STOP_SLACK_SECONDS,
    // TERM to gunicorn's master alone, which lets its workers finish; KILL to all of them.
    stopasgroup: false,
    killasgroup: true,
    numprocs: 1,
    priority: 999,
    umask: undefined,
    redirect_stderr: true,
    stdout_logfile: layout.log,
    stdout_logfile_maxbytes: spec.log_maxbytes,
    stdout_logfile_backups: spec.log_backups,
    stderr_logfile: 'AUTO',
    stderr_logfile_maxbytes: '50MB',
    stderr_logfile_backups: 10,
  });
}

function commandLine(spec: Spec, layout: Layout, colour: Colour, trees: Trees): string {
  const { gunicorn, name } = spec;
  const words = [
    join(layout.directory, 'venvs', trees.venv, 'bin', 'python'),
    '-m',
    'gunicorn',
    '--name',
    gunicorn.process_name ?? name,
    '--workers',
    String(gunicorn.workers),
    ...(gunicorn.threads === 1 ? [] : ['--threads', String(gunicorn.threads)]),
    '--timeout',
    String(gunicorn.timeout),
    '--graceful-timeout',
    String(gunicorn.graceful_timeout),
    '--max-requests',
    String(gunicorn.max_requests),
    '--log-level',
    gunicorn.log_level,
    ...(gunicorn.statsd_host === undefined
      ? []
      : ['--statsd-host', gunicorn.statsd_host, '--statsd-prefix', gunicorn.statsd_prefix ?? name]),
    '--bind',
    `unix:${slotSocket(layout, colour)}`,
    ...gunicorn.arguments,
    applicationOf(spec),
  ];
  return words.map(quote).join(' ');
}

function applicationOf({ gunicorn, django }: Spec): string {
  if (gunicorn.application !== undefined) return gunicorn.application;
  const settings = django?.settings ?? '';
  const dot = settings.lastIndexOf('.');
  return `${dot < 0 ? '' : `${settings.slice(0, dot)}.`}wsgi:application`;
}

function quote(word: string): string {
  const plain = /^[\w@+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`;
  return plain.replaceAll('%', '%%');
}
