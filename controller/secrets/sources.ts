import { hkdfSync } from 'node:crypto';
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

  constructor(file: SecretsFile, identities: Identities) {
    this.#file = file;
    this.#vault = new Vault(identities);
    // Of the key alone, so that controllers that share it give a version the same name.
    this.#versionKey = Buffer.from(hkdfSync('sha256', identities.keys[0] ?? '', '', 'holdfast secret versions 1', 32));
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
