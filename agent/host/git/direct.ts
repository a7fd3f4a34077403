import type { FileReader } from '../files/port.ts';
import { readRefOnDisk } from './direct-disk.ts';
import { readRefByGitProtocol } from './direct-wire.ts';
import type { GitSource, Lookup } from './port.ts';

/** Where somebody may have told git to read another address, or to go another way, than the manifest says. */
const CONFIGURATIONS = ['/etc/gitconfig', '/root/.gitconfig', '/root/.config/git/config'];
const REDIRECTS = /insteadof|gitproxy|include|core\.sshcommand/i;
const MAX_CONFIGURATION_BYTES = 1_048_576;

/**
 * The commit of a ref without `git ls-remote`, which costs two or three processes a minute for ever: from the files of
 * a repository on this host, or over `git://`. `undefined` wherever anything is out of the ordinary, and then git
 * itself has to say what is so, or why not. Rejects for the same reasons.
 */
export async function lookUpDirectly(
  source: GitSource,
  files: FileReader,
  timeout_ms: number,
): Promise<Lookup | undefined> {
  const path = pathOf(source.repository);
  const url = source.repository.startsWith('git://') ? new URL(source.repository) : undefined;
  if (path === undefined && (url === undefined || url.username !== '')) return undefined;
  for (const configuration of CONFIGURATIONS) {
    const text = await files.readText(configuration, { max_bytes: MAX_CONFIGURATION_BYTES });
    if (text !== undefined && REDIRECTS.test(text)) return undefined;
  }
  const commit =
    path === undefined
      ? url && (await readRefByGitProtocol(url, source.ref, timeout_ms))
      : await readRefOnDisk(path, source.ref, files);
  return commit === undefined ? undefined : { commit };
}

function pathOf(repository: string): string | undefined {
  if (repository.startsWith('/')) return repository;
  // With a host, escapes or a query it is not simply a path.
  return /^file:\/\/\/[^%?#]*$/.test(repository) ? repository.slice('file://'.length) : undefined;
}
