export type Extent = 'whole' | 'slice';

/** What a look at a sealed tree found. */
export type TreeState =
  /** It was never finished, or its seal is gone. */
  | { readonly is: 'unsealed' }
  | { readonly is: 'intact' }
  /** Paths relative to the root, with what is wrong; the first few. */
  | { readonly is: 'damaged'; readonly details: readonly string[] };

export interface SealedTree {
  readonly root: string;
  /** A directory outside of the tree that holds its seal. */
  readonly seal: string;
  /** Entries at most this deep are looked at every time: 1 is what lies directly in the root. */
  readonly alwaysDepth: number;
}

/**
 * Trees that are built once and never changed afterwards: releases, virtualenvs, collected files. A seal records every
 * entry; what Python itself leaves behind (`__pycache__`) is no part of it.
 */
export interface TreeReader {
  /**
   * Compares the tree with its seal. A `slice` is what lies near the root and the next part of the rest, so that a tree of
   * thousands of files costs no more than one of hundreds: looks in turn see all of it, a change deep in a large tree is
   * found after as many looks as the tree has parts of 256 entries. The first look of a process sees all of it.
   */
  verify(tree: SealedTree, extent: Extent): Promise<TreeState>;
}

export interface TreeWriter extends TreeReader {
  /** Records the tree as it is now. The seal appears at once and whole. */
  seal(tree: SealedTree): Promise<void>;
}
