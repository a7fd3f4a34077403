import { repositoryPaths } from '../../../desired-state/schema/repositories.ts';
import { type MaybeSecret, reveal } from '../../../desired-state/schema/secret.ts';
import { textDiff } from '../../describe.ts';
import type { HostReader } from '../../host/host.ts';
import { type Described, defineResource } from '../../resource.ts';
import { apply } from './apply.ts';
import { renderSource } from './render.ts';
import type { Part, RepositoriesSpec, RepositoriesState, RepositoryChange } from './state.ts';

export const repositories = defineResource<RepositoriesSpec, RepositoriesState, RepositoryChange>({
  observe,
  diff,
  describe,
  apply,
  watch: (spec) =>
    Object.keys(spec.repositories).flatMap((name) => Object.values(repositoryPaths(name)).map((path) => ({ path }))),
});

async function observe(spec: RepositoriesSpec, host: HostReader): Promise<RepositoriesState> {
  const parts = new Map<string, readonly Part[]>();
  for (const [name, repository] of Object.entries(spec.repositories)) {
    const paths = repositoryPaths(name);
    const key = repository === 'absent' ? undefined : repository.key;
    const source = repository === 'absent' ? undefined : renderSource(name, repository);
    parts.set(name, [
      await observePart(paths.key, key === undefined ? undefined : withNewline(key), host),
      await observePart(paths.source, source, host),
    ]);
  }
  return { parts, hasCertificates: (await host.files.statTarget('/etc/ssl/certs/ca-certificates.crt')) !== undefined };
}

function withNewline(key: MaybeSecret): string {
  return `${reveal(key).trim()}\n`;
}

async function observePart(path: string, wanted: string | undefined, host: HostReader): Promise<Part> {
  const there = await host.files.stat(path);
  const isPlain = there?.type === 'file' && there.uid === 0 && there.gid === 0 && there.mode === 0o644;
  const is = there?.type === 'file' ? await host.files.readText(path) : undefined;
  return { path, is, odd: there !== undefined && !isPlain, wanted };
}

export function diff(
  spec: RepositoriesSpec,
  { parts, hasCertificates }: RepositoriesState,
): readonly RepositoryChange[] {
  return Object.entries(spec.repositories).flatMap(([name, repository]) => {
    const differing = (parts.get(name) ?? []).filter((part) => part.odd || part.is !== part.wanted);
    if (differing.length === 0) return [];
    const usesTls = repository !== 'absent' && repository.uris.some((uri) => uri.startsWith('https:'));
    return [
      { name, parts: differing, remove: repository === 'absent', needsCertificates: usesTls && !hasCertificates },
    ];
  });
}

export function describe({ name, parts, remove }: RepositoryChange): Described {
  const diffs = parts
    .filter((part) => part.is !== part.wanted)
    .map((part) => textDiff(part.path, part.is, part.wanted ?? ''));
  const what = parts.map((part) => (part.path.endsWith('.asc') ? 'key' : 'source')).join(' and ');
  return {
    summary: remove ? `remove the repository ${name}` : `write the ${what} of the repository ${name}, fetch its lists`,
    hazard: 'none',
    ...(diffs.length === 0 ? {} : { diff: diffs.join('') }),
  };
}
