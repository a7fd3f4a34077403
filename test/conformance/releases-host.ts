import { fileURLToPath } from 'node:url';
import { Secret } from '../../desired-state/schema/secret.ts';
import { bakedImage } from '../hosts/bake.ts';
import type { Host } from '../hosts/host.ts';

/** The example application, in a git repository on the host, with everything around it that it needs. */
const EXAMPLE = fileURLToPath(new URL('../../examples/todomvc', import.meta.url));
export const REPOSITORY = '/root/todomvc';
export const SOCKET = '/run/todo/gunicorn.sock';

const INSTALL = `
DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends supervisor git python3-venv postgresql >/dev/null
until supervisorctl pid >/dev/null 2>&1; do sleep 0.1; done
groupadd --system webapps
useradd --system --gid webapps --no-create-home --home-dir /srv/todo todo
cd /
until su postgres -c 'psql -qc "select 1"' >/dev/null 2>&1; do sleep 0.1; done
su postgres -c "psql -q -c \\"create role todo login password 'pw'\\" -c 'create database todo owner todo'"
systemctl stop postgresql@15-main`;

const COMMIT = `
until supervisorctl pid >/dev/null 2>&1; do sleep 0.1; done
cd ${REPOSITORY}
find . -name __pycache__ -prune -exec rm -rf {} +
git init --quiet --initial-branch=master .
git config user.email ops@example.org
git config user.name ops
git add --all
git commit --quiet --message first`;

/** What releases need of a host besides the application, as Debian installs it. */
export function releasesImage(): Promise<string> {
  return bakedImage({
    name: 'releases-installed',
    inputs: [INSTALL],
    prepare: async (host) => {
      await host.sh(INSTALL, { timeout_ms: 300_000 });
    },
  });
}

/** Of a host of that image. */
export async function prepareReleases(host: Host): Promise<void> {
  await host.copyIn(EXAMPLE, REPOSITORY);
  await host.sh(COMMIT);
}

/** The section for the example, with what a test wants otherwise. */
export function todo(extra: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
  return {
    repository: REPOSITORY,
    poll: '1s',
    django: { settings: 'todo.settings' },
    gunicorn: { workers: 1 },
    health: { path: '/healthz', settle: '1s', timeout: '20s' },
    environment: {
      SECRET_KEY: new Secret(`key "with' awkward; # % parts`),
      ALLOWED_HOSTS: '*',
      DATABASE_NAME: 'todo',
      DATABASE_USER: 'todo',
      DATABASE_PASSWORD: new Secret('pw'),
      DATABASE_HOST: '127.0.0.1',
    },
    ...extra,
  };
}

/** What answers on the socket that nginx would use: status and the release that it names. */
export async function serving(host: Host): Promise<string> {
  const url = 'http://localhost/healthz';
  const text = await host.sh(`curl --silent --max-time 10 --unix-socket ${SOCKET} ${url} || echo '{"release":"none"}'`);
  const answer: { readonly release?: string } = JSON.parse(text);
  return answer.release ?? 'none';
}

/** Commits what the script does to the checkout. Resolves to the first twelve digits of the commit. */
export async function commit(host: Host, script: string): Promise<string> {
  const text = await host.sh(
    `cd ${REPOSITORY}; ${script}\ngit add --all; git commit --quiet --message change; git rev-parse --short=12 HEAD`,
  );
  return text.trim().split('\n').at(-1) ?? '';
}
