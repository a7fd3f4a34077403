interface Waiting<Question, Answer> {
  readonly question: Question;
  readonly resolve: (answer: Answer | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Asks for one thing at a time as it is wanted, and for what is wanted meanwhile together: a crowd costs a few queries, and
 * one that comes alone waits for nobody.
 */
export class Together<Question, Answer> {
  readonly #ask: (questions: readonly Question[]) => Promise<ReadonlyMap<Question, Answer>>;
  readonly #most: number;
  #waiting: Waiting<Question, Answer>[] = [];
  #asking = false;

  /** `ask` leaves out what it has no answer to. `most`: so many questions are asked at once. */
  constructor(most: number, ask: (questions: readonly Question[]) => Promise<ReadonlyMap<Question, Answer>>) {
    this.#most = most;
    this.#ask = ask;
  }

  /** Rejects where its questions cannot be asked. */
  ask(question: Question): Promise<Answer | undefined> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ question, resolve, reject });
      if (!this.#asking) void this.#askAll();
    });
  }

  async #askAll(): Promise<void> {
    this.#asking = true;
    while (this.#waiting.length > 0) {
      const some = this.#waiting.splice(0, this.#most);
      try {
        const answers = await this.#ask(some.map(({ question }) => question));
        for (const { question, resolve } of some) resolve(answers.get(question));
      } catch (error) {
        for (const { reject } of some) reject(error);
      }
    }
    this.#asking = false;
  }
}
