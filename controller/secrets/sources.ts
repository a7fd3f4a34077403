import type { Opened } from '../compile/sealed.ts';
import type { Secrets } from '../compile/secrets.ts';
import type { Tree } from '../compile/tree.ts';
import type { SecretsFile } from '../intake/secrets-file.ts';
import type { Identities } from './identity.ts';
import { Vault } from './vault.ts';

/** What the compiler needs of secrets for one tree. */
export interface SecretsOfTree {
  readonly secrets: Secrets;
  readonly opened: Opened;
  readonly versionKey: Buffer;
}

/** Where the controller's secrets come from: the file outside of git, and the encrypted files of each tree. */
export class SecretSources {
  readonly #file: SecretsFile;
  readonly #vault: Vault;
  readonly #versionKey: Buffer;

  /** `versionKey`: what versions are named with, the same for all controllers of a database. */
  constructor(file: SecretsFile, identities: Identities, versionKey: Uint8Array) {
    this.#file = file;
    this.#vault = new Vault(identities);
    this.#versionKey = Buffer.from(versionKey);
  }

  /** To whom secrets in git have to be encrypted: `age1…`. */
  get recipient(): string {
    return this.#vault.recipient;
  }

  /** Why the file outside of git cannot be read; what it held before is used meanwhile. */
  get problem(): string | undefined {
    return this.#file.problem;
  }

  /** Reads the file outside of git again. Whether it holds other secrets than before. */
  refresh(): Promise<boolean> {
    return this.#file.refresh();
  }

  async of(tree: Tree): Promise<SecretsOfTree> {
    const opened = await this.#vault.open(tree);
    return { secrets: this.#file.secrets, opened, versionKey: this.#versionKey };
  }
}
