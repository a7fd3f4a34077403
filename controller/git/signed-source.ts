import type { Tree } from '../compile/tree.ts';
import type { Source } from '../intake/intake.ts';
import { RefusedRevision } from '../source/refusal.ts';
import { gitText } from './git.ts';
import type { AllowedSigners } from './signatures.ts';

/** Where the branch was when all of its commits were found to be signed. */
const VERIFIED = 'refs/holdfast/verified';

/** A repository that is followed, of which only commits by allowed signers are taken. */
export class SignedSource implements Source {
  readonly #inner: Source;
  readonly #directory: string;
  readonly #signers: AllowedSigners;

  /** `directory` is the bare copy that the inner source keeps. */
  constructor(inner: Source, directory: string, signers: AllowedSigners) {
    this.#inner = inner;
    this.#directory = directory;
    this.#signers = signers;
  }

  async fetch(): Promise<string> {
    const revision = await this.#inner.fetch();
    const run = (args: readonly string[]): Promise<string> => gitText(args, { directory: this.#directory });
    const known = await run(['rev-parse', '--verify', '--quiet', VERIFIED]).catch(() => undefined);
    if (known === revision) return revision;
    const refusals = await this.#signers.refusals(revision, known, run);
    if (refusals.length > 0) throw new RefusedRevision(revision, refusals);
    await run(['update-ref', VERIFIED, revision]);
    return revision;
  }

  readTree(revision: string): Promise<Tree> {
    return this.#inner.readTree(revision);
  }
}
