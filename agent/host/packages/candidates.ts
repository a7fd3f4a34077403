import { createHash } from 'node:crypto';
import type { ProbeRunner } from '../commands/port.ts';
import type { FileWriter } from '../files/port.ts';
import { fingerprint } from './fingerprint.ts';
import { parsePolicy } from './policy.ts';
import type { Candidate } from './port.ts';

/** apt may have to build its cache of all packages in memory: a second on a fast machine, many on a small one. */
const POLICY_TIMEOUT_MS = 60_000;
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;
const MAX_CACHE_BYTES = 4 * 1024 * 1024;

type AptCache = 'read only' | 'may write';

interface Known {
  /** SHA-256 of the fingerprint under which the answers hold. */
  readonly key: string;
  readonly answers: Map<string, Candidate | undefined>;
}

/** Answers of `apt-cache policy`, kept in memory and, on demand, on disk. */
export class Candidates {
  readonly #files: FileWriter;
  readonly #probe: ProbeRunner;
  readonly #path: string;
  #known: Known | undefined;

  constructor(options: { readonly files: FileWriter; readonly probe: ProbeRunner; readonly path: string }) {
    this.#files = options.files;
    this.#probe = options.probe;
    this.#path = options.path;
  }

  /** `aptCache: 'may write'` lets apt renew its own cache files, which a look must not do. */
  async of(
    names: readonly string[],
    { aptCache = 'read only' }: { readonly aptCache?: AptCache } = {},
  ): Promise<ReadonlyMap<string, Candidate | undefined>> {
    if (names.length === 0) return new Map();
    const key = createHash('sha256')
      .update(await fingerprint(this.#files))
      .digest('hex');
    if (this.#known?.key !== key) this.#known = (await this.#load(key)) ?? { key, answers: new Map() };
    const { answers } = this.#known;
    const missing = names.filter((name) => !answers.has(name));
    if (missing.length > 0) {
      const found = await this.#ask(missing, aptCache);
      for (const name of missing) answers.set(name, found.get(name));
    }
    return new Map(names.map((name) => [name, answers.get(name)]));
  }

  async save(): Promise<void> {
    if (this.#known === undefined) return;
    const content = JSON.stringify({ key: this.#known.key, answers: [...this.#known.answers] });
    await this.#files.write(this.#path, content, { uid: 0, gid: 0, mode: 0o644 });
  }

  async #ask(names: readonly string[], aptCache: AptCache): Promise<ReadonlyMap<string, Candidate>> {
    const ask = async (options: readonly string[], user: string | undefined) => {
      const { stdout } = await this.#probe({
        argv: ['apt-cache', ...options, 'policy', '--', ...names],
        timeout_ms: POLICY_TIMEOUT_MS,
        maxOutput_bytes: MAX_OUTPUT_BYTES,
        ...(user === undefined ? {} : { user }),
      });
      return parsePolicy(stdout);
    };
    if (aptCache === 'may write') return ask([], undefined);
    try {
      // apt's own user reads apt's cache where it is valid, and cannot write it where it is not.
      return await ask([], '_apt');
    } catch {
      // A source that only root can read: then in memory, without the cache.
      return ask(['-o', 'Dir::Cache::pkgcache=', '-o', 'Dir::Cache::srcpkgcache='], undefined);
    }
  }

  /** `undefined` for a file that is not there, not ours, damaged, or of another time. */
  async #load(key: string): Promise<Known | undefined> {
    const stat = await this.#files.stat(this.#path);
    if (stat?.type !== 'file' || stat.uid !== 0) return undefined;
    try {
      const json: unknown = JSON.parse((await this.#files.readText(this.#path, { max_bytes: MAX_CACHE_BYTES })) ?? '');
      if (!isRecord(json) || json['key'] !== key || !Array.isArray(json['answers'])) return undefined;
      const answers = new Map<string, Candidate | undefined>();
      for (const entry of json['answers']) {
        if (!Array.isArray(entry) || typeof entry[0] !== 'string') return undefined;
        answers.set(entry[0], parseCandidate(entry[1]));
      }
      return { key, answers };
    } catch {
      return undefined;
    }
  }
}

function parseCandidate(json: unknown): Candidate | undefined {
  if (!isRecord(json) || !Array.isArray(json['versions'])) return undefined;
  const { version, versions } = json;
  return {
    version: typeof version === 'string' ? version : undefined,
    versions: versions.filter((one) => typeof one === 'string'),
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
