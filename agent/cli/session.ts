import { mkdir, readFile } from 'node:fs/promises';
import { decodeManifest } from '../../desired-state/schema/manifest.ts';
import { createEngine, type Engine, type Recollection } from '../engine/engine.ts';
import { createLinuxHost } from '../host/linux.ts';
import { takeRunLock } from '../host/run-lock.ts';
import { manifestPath, recollectionPath, runLockPath, stateDirectory } from '../paths.ts';
import { registry } from '../registry.ts';
import type { ResourceRef } from '../resource.ts';
import { UsageError } from './command.ts';

/** What `plan` and `run` share: this host, a manifest from a file, and an engine that has loaded it. */

export const manifestOption = {
  type: 'string',
  value: 'FILE',
  help: `a compiled manifest (default ${manifestPath})`,
} as const;

export const jsonOption = { type: 'boolean', help: 'print the result as JSON' } as const;

export const onlyOption = {
  type: 'string',
  multiple: true,
  value: 'KIND/NAME',
  help: 'only this resource, without what it requires; may be repeated',
} as const;

export interface Session {
  readonly engine: Engine;
  /** Keeps what the engine learned for the next process. Writes nothing where nothing is new; a failure is only a warning. */
  saveRecollection(): Promise<void>;
}

export interface SessionOptions {
  readonly manifest: string | undefined;
  /** How long a run waits for another one that changes the host. */
  readonly lockWait_ms: number;
}

export async function openSession({ manifest = manifestPath, lockWait_ms }: SessionOptions): Promise<Session> {
  const host = createLinuxHost();
  const engine = createEngine({
    registry,
    reader: host,
    writer: () => host,
    takeLock: () => takeRunLock({ path: runLockPath, wait_ms: lockWait_ms }),
  });
  const before = await host.files.readText(recollectionPath);
  engine.load(decodeManifest(await manifestText(manifest)), parseRecollection(before));
  return {
    engine,
    async saveRecollection() {
      const text = `${JSON.stringify(engine.recollection())}\n`;
      if (text === before) return;
      try {
        await mkdir(stateDirectory, { recursive: true, mode: 0o700 });
        await host.files.write(recollectionPath, text, { uid: 0, gid: 0, mode: 0o600 });
      } catch (error) {
        // The host is as it should be; the next plan only cannot tell drift from a new declaration.
        process.stderr.write(`holdfast-agent: ${error instanceof Error ? error.message : String(error)}\n`);
      }
    },
  };
}

export function parseOnly(texts: readonly string[] | undefined): { readonly only?: readonly ResourceRef[] } {
  if (texts === undefined) return {};
  const only = texts.map((text) => {
    const slash = text.indexOf('/');
    if (slash < 1) throw new UsageError(`--only expects KIND/NAME, such as packages/packages; got "${text}"`);
    return { kind: text.slice(0, slash), name: text.slice(slash + 1) };
  });
  return { only };
}

async function manifestText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const hint = path === manifestPath ? ' (is this host enrolled? --manifest FILE names another file)' : '';
    throw new Error(`cannot read the manifest: ${reason}${hint}`, { cause: error });
  }
}

/** A damaged file only costs the knowledge of what was converged. */
export function parseRecollection(text: string | undefined): Recollection | undefined {
  if (text === undefined) return undefined;
  try {
    const json: unknown = JSON.parse(text);
    if (typeof json !== 'object' || json === null || !('revision' in json) || !('converged' in json)) return undefined;
    const { revision, converged } = json;
    if (typeof revision !== 'string' || !Array.isArray(converged)) return undefined;
    return { revision, converged: converged.filter((name) => typeof name === 'string') };
  } catch {
    return undefined;
  }
}
