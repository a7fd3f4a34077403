import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { Secret } from '../../desired-state/schema/secret.ts';
import { type Opened, SEALED_LIMITS, secretFiles } from '../compile/sealed.ts';
import type { Tree } from '../compile/tree.ts';
import { AgeError, decrypt, secretText } from './age.ts';
import type { Identities } from './identity.ts';

/** What is kept of files that were decrypted once. A revision has a few hundred of them at most. */
const BOUNDS = { entries: 20_000, characters: 16 * 1024 * 1024 };

/** Decrypting is computing: others get their turn this often. */
const TURN_MS = 20;

type Outcome = { readonly secret: Secret } | { readonly problem: string };

/**
 * Decrypts the secrets of trees. A file of the same bytes is decrypted once and then remembered, in memory alone: a push
 * that changes none of two hundred secrets decrypts none.
 */
export class Vault {
  readonly #identities: Identities;
  readonly #whose: string;
  /** By the hash of the file, the least recently used first. */
  readonly #known = new Map<string, Outcome>();
  #characters = 0;
  #decrypted = 0;

  /** `whose`: as issues call the key, for example `this controller's key`. */
  constructor(identities: Identities, whose = "this controller's key") {
    this.#identities = identities;
    this.#whose = whose;
  }

  get recipient(): string {
    return this.#identities.recipient;
  }

  /** How many files were decrypted, or tried, in all. */
  get decrypted(): number {
    return this.#decrypted;
  }

  /** Never rejects for what is wrong with a file: that is one of the problems. */
  async open(tree: Tree): Promise<Opened> {
    const values = new Map<string, Secret>();
    const problems = new Map<string, string>();
    let turnEnds = performance.now() + TURN_MS;
    for (const { name, path, problem } of secretFiles(tree).slice(0, SEALED_LIMITS.files)) {
      const file = tree.get(path);
      if (problem !== undefined || file?.type !== 'file') continue;
      const outcome = await this.#open(file.content);
      if ('secret' in outcome) values.set(name, outcome.secret);
      else problems.set(path, outcome.problem.replace('NAME', name));
      if (performance.now() < turnEnds) continue;
      await setImmediate();
      turnEnds = performance.now() + TURN_MS;
    }
    return { values, problems, recipient: this.recipient };
  }

  async #open(content: Buffer): Promise<Outcome> {
    const key = createHash('sha256').update(content).digest('base64');
    const outcome = this.#known.get(key) ?? (await this.#decrypt(content));
    if (!this.#known.delete(key)) this.#characters += sizeOf(outcome);
    this.#known.set(key, outcome);
    for (const [oldest, one] of this.#known) {
      if (this.#known.size <= BOUNDS.entries && this.#characters <= BOUNDS.characters) break;
      this.#known.delete(oldest);
      this.#characters -= sizeOf(one);
    }
    return outcome;
  }

  async #decrypt(content: Buffer): Promise<Outcome> {
    this.#decrypted += 1;
    try {
      const text = secretText(await decrypt(content, this.#identities.keys));
      if (text === '') return { problem: 'the secret is an empty text; set it again: holdfast secret set NAME' };
      return { secret: new Secret(text) };
    } catch (error) {
      if (!(error instanceof AgeError)) throw error;
      if (error.reason === 'other key') {
        return { problem: `not encrypted to ${this.#whose} ${this.recipient}; run: holdfast secret rekey` };
      }
      return { problem: `${error.message}; set it again: holdfast secret set NAME` };
    }
  }
}

function sizeOf(outcome: Outcome): number {
  return 'secret' in outcome ? outcome.secret.reveal().length : outcome.problem.length;
}
