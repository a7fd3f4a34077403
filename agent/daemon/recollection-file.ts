import type { Recollection } from '../engine/engine.ts';
import type { StateFiles } from './state-files.ts';

const NAME = 'converged.json';

export interface RecollectionFileOptions {
  readonly files: Pick<StateFiles, 'read' | 'write'>;
  readonly parse: (text: string | undefined) => Recollection | undefined;
}

/** What the engine learned from its runs, on disk: the next process knows drift from an intended change, too. */
export class RecollectionFile {
  readonly #options: RecollectionFileOptions;
  /** What is on disk. */
  #text: string | undefined;
  #kept: Recollection | undefined;

  constructor(options: RecollectionFileOptions) {
    this.#options = options;
  }

  async read(): Promise<Recollection | undefined> {
    const { files, parse } = this.#options;
    this.#text = await files.read(NAME).catch(() => undefined);
    return parse(this.#text);
  }

  /** Writes only where there is something new: most runs learn nothing. */
  async keep(recollection: Recollection | undefined): Promise<void> {
    if (recollection === this.#kept) return;
    const text = `${JSON.stringify(recollection)}\n`;
    if (text !== this.#text) await this.#options.files.write(NAME, text);
    this.#text = text;
    this.#kept = recollection;
  }
}
