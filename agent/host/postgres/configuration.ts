import { dirname, join, resolve } from 'node:path';
import type { FileReader } from '../files/port.ts';
import { type ConfigItem, type Include, parseConfig } from './config-file.ts';
import type { ConfigAssignment, ConfigFile, Configuration } from './port.ts';

/** Reads a server's configuration the way the server does, remembering parsed files while their stat stays the same. */

/** The server's own bound on nested includes. */
const MAX_DEPTH = 10;

interface Parsed {
  readonly stamp: string;
  readonly text: string;
  readonly items: readonly ConfigItem[];
}

export class ConfigurationReader {
  readonly #files: FileReader;
  readonly #parsed = new Map<string, Parsed>();

  constructor(files: FileReader) {
    this.#files = files;
  }

  /** `roots`: the main file, and `postgresql.auto.conf` after it. */
  async read(roots: readonly string[]): Promise<Configuration> {
    const into = { files: new Map<string, ConfigFile>(), order: new Array<Ordered>(), changed_ms: 0 };
    for (const root of roots) await this.#collect(root, into, 0);
    return { files: [...into.files.values()], order: into.order, changed_ms: into.changed_ms };
  }

  async #collect(path: string, into: Collected, depth: number): Promise<void> {
    const stat = await this.#files.statTarget(path);
    if (stat?.type !== 'file' || depth > MAX_DEPTH) return;
    const stamp = [stat.device, stat.inode, stat.size_bytes, stat.mtime_ms, stat.ctime_ms].join();
    const parsed = await this.#parse(path, stamp);
    if (parsed === undefined) return;
    into.changed_ms = Math.max(into.changed_ms, stat.ctime_ms);
    into.files.set(path, { path, text: parsed.text, assignments: parsed.items.filter(isAssignment) });
    for (const item of parsed.items) {
      if (isAssignment(item)) into.order.push({ ...item, path });
      else for (const file of await this.#included(path, item)) await this.#collect(file, into, depth + 1);
    }
  }

  async #parse(path: string, stamp: string): Promise<Parsed | undefined> {
    const known = this.#parsed.get(path);
    if (known?.stamp === stamp) return known;
    const text = await this.#files.readText(path);
    if (text === undefined) return undefined;
    const parsed = { stamp, text, items: parseConfig(text) };
    this.#parsed.set(path, parsed);
    return parsed;
  }

  /** `include_dir` takes `*.conf` in C-locale order and no hidden file. */
  async #included(from: string, include: Include): Promise<readonly string[]> {
    const target = resolve(dirname(from), include.target);
    if (include.kind !== 'include_dir') return [target];
    const names = (await this.#files.list(target)) ?? [];
    return names
      .filter((name) => name.endsWith('.conf') && !name.startsWith('.'))
      .toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      .map((name) => join(target, name));
  }
}

type Ordered = ConfigAssignment & { readonly path: string };

interface Collected {
  readonly files: Map<string, ConfigFile>;
  readonly order: Ordered[];
  changed_ms: number;
}

function isAssignment(item: ConfigItem): item is ConfigAssignment & { readonly kind: 'assignment' } {
  return item.kind === 'assignment';
}
