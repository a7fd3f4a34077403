import { stat } from 'node:fs/promises';
import { readSecrets, type Secrets } from '../compile/secrets.ts';

/** The secrets file, read again when it is another one. */
export class SecretsFile {
  readonly #path: string | undefined;
  #stamp = '';
  #secrets: Secrets = new Map();
  #problem: string | undefined;

  constructor(path: string | undefined) {
    this.#path = path;
  }

  get secrets(): Secrets {
    return this.#secrets;
  }

  /** Why the file cannot be read; the secrets of the last time it could are used meanwhile. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Whether there are other secrets than before. */
  async refresh(): Promise<boolean> {
    if (this.#path === undefined) return false;
    const stats = await stat(this.#path).catch(() => undefined);
    const stamp = stats === undefined ? 'none' : `${stats.ino} ${stats.size} ${stats.mtimeMs} ${stats.ctimeMs}`;
    if (stamp === this.#stamp) return false;
    try {
      this.#secrets = await readSecrets(this.#path);
      this.#problem = undefined;
      this.#stamp = stamp;
      return true;
    } catch (error) {
      this.#problem = error instanceof Error ? error.message : String(error);
      return false;
    }
  }
}
