import { repositoryPaths } from '../../../desired-state/schema/repositories.ts';
import type { Repository } from './state.ts';

/** A source in the format of sources.list(5), deb822 style. Pure. */
export function renderSource(name: string, repository: Repository): string {
  const isFlat = repository.suites.every((suite) => suite.endsWith('/'));
  const components = repository.components ?? (isFlat ? undefined : ['main']);
  const fields = [
    ['Types', repository.types],
    ['URIs', repository.uris],
    ['Suites', repository.suites],
    ['Components', components],
    ['Architectures', repository.architectures],
    ['Signed-By', [repository.signed_by ?? repositoryPaths(name).key]],
  ] as const;
  const lines = fields.flatMap(([field, values]) => (values === undefined ? [] : [`${field}: ${values.join(' ')}`]));
  return `# Written by Holdfast: what is changed here by hand is found and undone.\n${lines.join('\n')}\n`;
}
