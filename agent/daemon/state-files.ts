import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { FileWriter } from '../host/files/port.ts';

const PRIVATE = 0o600;
const MAX_BYTES = 64 * 1024 * 1024;

/** Files of the agent's own state directory: written atomically, readable by root alone. */
export class StateFiles {
  readonly #files: FileWriter;
  readonly #directory: string;

  constructor(files: FileWriter, directory: string) {
    this.#files = files;
    this.#directory = directory;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  }

  path(name: string): string {
    return join(this.#directory, name);
  }

  /** `undefined` where it is absent. */
  read(name: string): Promise<string | undefined> {
    return this.#files.readText(this.path(name), { max_bytes: MAX_BYTES });
  }

  async write(name: string, text: string): Promise<void> {
    const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
    await this.#files.write(this.path(name), text, { ...owner, mode: PRIVATE });
  }

  async remove(name: string): Promise<void> {
    await this.#files.remove(this.path(name));
  }

  /** Puts a damaged file aside as `NAME.bad`, for a person to look at. */
  async putAside(name: string): Promise<string> {
    const bad = `${this.path(name)}.bad`;
    await this.#files.rename(this.path(name), bad);
    return bad;
  }
}
