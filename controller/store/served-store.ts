import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { readIfThere, writeFileAtomically } from './atomic-file.ts';

/** A manifest as a host gets it. */
export interface ServedHost {
  readonly host: string;
  readonly environment: string;
  readonly roles: readonly string[];
  /** The first revision whose manifest for this host is this one. */
  readonly revision: string;
  readonly etag: string;
  /** JSON, with the secrets in clear. */
  readonly text: string;
  readonly resources: number;
}

/** What is being served, as a whole. */
export interface Served {
  readonly revision: string;
  readonly sequence: number;
  readonly since_ms: number;
  readonly hosts: ReadonlyMap<string, ServedHost>;
}

const indexSchema = v.object({ revision: v.string(), sequence: v.number(), since_ms: v.number() });
const hostSchema = v.object({
  host: v.string(),
  environment: v.string(),
  roles: v.array(v.string()),
  revision: v.string(),
  etag: v.string(),
  text: v.string(),
  resources: v.number(),
});

/**
 * The manifests that are served, on disk, so that a restart serves them before git or the secrets can be read again. A
 * file per host, readable by root alone. The index is written last: a kill in between is mended by the next intake.
 */
export class ServedStore {
  readonly #index: string;
  readonly #manifests: string;

  constructor(stateDirectory: string) {
    this.#index = join(stateDirectory, 'served.json');
    this.#manifests = join(stateDirectory, 'manifests');
  }

  /** `undefined` when nothing has ever been served. Throws when the state is damaged, with the file's name. */
  async load(): Promise<Served | undefined> {
    const text = await readIfThere(this.#index);
    if (text === undefined) return undefined;
    const index = parse(this.#index, text, indexSchema);
    const hosts = new Map<string, ServedHost>();
    await mkdir(this.#manifests, { recursive: true, mode: 0o700 });
    for (const name of await readdir(this.#manifests)) {
      const path = join(this.#manifests, name);
      if (!name.endsWith('.json')) await rm(path, { force: true });
      else {
        const host = parse(path, (await readIfThere(path)) ?? '', hostSchema);
        hosts.set(host.host, host);
      }
    }
    return { ...index, hosts };
  }

  async save(next: Served, previous: Served | undefined): Promise<void> {
    for (const [name, host] of next.hosts) {
      if (previous?.hosts.get(name) !== host) await writeFileAtomically(this.#path(name), JSON.stringify(host));
    }
    for (const name of previous?.hosts.keys() ?? []) {
      if (!next.hosts.has(name)) await rm(this.#path(name), { force: true });
    }
    const { revision, sequence, since_ms } = next;
    await writeFileAtomically(this.#index, JSON.stringify({ revision, sequence, since_ms }));
  }

  #path(host: string): string {
    return join(this.#manifests, `${host}.json`);
  }
}

/** The message does not quote the text, in which secrets stand in clear. */
function parse<S extends v.GenericSchema>(path: string, text: string, schema: S): v.InferOutput<S> {
  try {
    return v.parse(schema, JSON.parse(text));
  } catch {
    throw new Error(`${path} is damaged`);
  }
}
