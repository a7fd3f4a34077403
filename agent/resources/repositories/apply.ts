import { posix } from 'node:path';
import { repositoryPaths } from '../../../desired-state/schema/repositories.ts';
import { reveal } from '../../../desired-state/schema/secret.ts';
import type { Host } from '../../host/host.ts';
import { type AptOptions, aptGet, aptProblem } from '../shared/apt.ts';
import type { Part, RepositoryChange } from './state.ts';

const ROOT_FILE = { uid: 0, gid: 0, mode: 0o644 };
const ROOT_DIRECTORY = { uid: 0, gid: 0, mode: 0o755 };
const UPDATE: AptOptions = { timeout_ms: 300_000 };
const INSTALL: AptOptions = { timeout_ms: 600_000 };

/** Writes the files and proves them by fetching the lists of this repository; what does not work is taken back. */
export async function apply(change: RepositoryChange, host: Host): Promise<void> {
  if (change.remove) {
    // The source first: a source without its key is an error of every later "apt-get update".
    for (const part of change.parts.toReversed()) await host.files.remove(part.path);
    return;
  }
  if (change.needsCertificates) await installCertificates(host);
  await write(change.parts, host);
  const problem = await fetchLists(change.name, host);
  if (problem === undefined) return;
  await write(
    change.parts.toReversed().map((part) => ({ ...part, wanted: part.is })),
    host,
  );
  throw new Error(
    `the repository ${change.name} does not work, so it was left as it was:\n${problem}${advice(problem)}`,
  );
}

async function write(parts: readonly Part[], host: Host): Promise<void> {
  for (const { path, wanted } of parts) {
    if (wanted === undefined) {
      await host.files.remove(path);
      continue;
    }
    const directory = posix.dirname(path);
    if ((await host.files.statTarget(directory)) === undefined)
      await host.files.makeDirectory(directory, ROOT_DIRECTORY);
    await host.files.write(path, reveal(wanted), ROOT_FILE);
  }
}

/** Of this repository alone: another one that is away is no reason to refuse it. */
async function fetchLists(name: string, host: Host): Promise<string | undefined> {
  const only = [
    `Dir::Etc::SourceList=${repositoryPaths(name).source}`,
    'Dir::Etc::SourceParts=-',
    'APT::Get::List-Cleanup=0',
    'APT::Update::Error-Mode=any',
  ];
  try {
    return aptProblem(await aptGet(host.run, [...only.flatMap((option) => ['-o', option]), 'update'], UPDATE));
  } catch (error) {
    // A time-out, or apt is away: not proved either, so it is taken back all the same.
    return error instanceof Error ? error.message : String(error);
  }
}

/** A minimal image lacks the list of authorities, and `packages` waits for this resource: so it cannot wait for that one. */
async function installCertificates(host: Host): Promise<void> {
  const install = ['--no-remove', '--no-install-recommends', 'install', 'ca-certificates'];
  let problem = aptProblem(await aptGet(host.run, install, INSTALL));
  if (problem === undefined) return;
  await aptGet(host.run, ['update'], UPDATE);
  problem = aptProblem(await aptGet(host.run, install, INSTALL));
  if (problem !== undefined) throw new Error(`a repository with https needs the package ca-certificates:\n${problem}`);
}

function advice(problem: string): string {
  if (/NO_PUBKEY|EXPKEYSIG|REVKEYSIG|BADSIG|Missing key|verify signature|not signed|verified/.test(problem)) {
    return '\nIts key is not the one in the manifest (any more): put the present public key there.';
  }
  if (/Could not resolve|Could not connect|Connection failed|timed out|unreachable/.test(problem)) {
    return '\nThe host cannot reach it: look at its address, at DNS and at the firewall.';
  }
  return '';
}
