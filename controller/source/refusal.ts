import { formatIssue, type Issue } from '../compile/issue.ts';

/** Why a revision is refused: what is wrong at a place of its tree, or else what speaks against all of it. */
export type Refusal = Issue | { readonly message: string };

/** As a line for people. */
export function refusalText(refusal: Refusal): string {
  return 'file' in refusal ? formatIssue(refusal) : refusal.message;
}

/** A revision that is refused without a look at what its tree says. It stays so: trying again does not help. */
export class RefusedRevision extends Error {
  override readonly name = 'RefusedRevision';
  readonly revision: string;
  readonly reasons: readonly string[];

  constructor(revision: string, reasons: readonly string[]) {
    const more = reasons.length > 1 ? ` (and ${reasons.length - 1} more)` : '';
    super(`revision ${revision.slice(0, 10)} is not taken: ${reasons[0] ?? ''}${more}`);
    this.revision = revision;
    this.reasons = reasons;
  }
}
