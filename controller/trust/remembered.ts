/**
 * Rows that are asked for with every request, remembered until somebody says that they changed. Bounded: what does not fit
 * is read again.
 */
export class Remembered<Row> {
  readonly #max: number;
  readonly #read: (key: string) => Promise<Row | undefined>;
  readonly #rows = new Map<string, Row>();
  /** Rises when something is forgotten: a row that was read before that is not kept after it. */
  #generation = 0;

  constructor(options: { readonly max: number; readonly read: (key: string) => Promise<Row | undefined> }) {
    this.#max = options.max;
    this.#read = options.read;
  }

  /** What is not there is asked for every time: it may come to be. */
  async get(key: string): Promise<Row | undefined> {
    const known = this.#rows.get(key);
    if (known !== undefined) return known;
    const generation = this.#generation;
    const row = await this.#read(key);
    if (row === undefined || generation !== this.#generation) return row;
    if (this.#rows.size >= this.#max) this.#rows.clear();
    this.#rows.set(key, row);
    return row;
  }

  forget(key: string): void {
    this.#generation += 1;
    this.#rows.delete(key);
  }

  clear(): void {
    this.#generation += 1;
    this.#rows.clear();
  }
}
