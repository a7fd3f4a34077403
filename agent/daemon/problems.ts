import type { Log } from './log.ts';

/** What is wrong with the agent itself, by topic: told once, and shown until it is over. */
export class Problems {
  readonly #log: Pick<Log, 'warning'>;
  readonly #byTopic = new Map<string, string>();

  constructor(log: Pick<Log, 'warning'>) {
    this.#log = log;
  }

  get all(): readonly string[] {
    return [...this.#byTopic.values()];
  }

  tell(topic: string, message: string): void {
    if (this.#byTopic.get(topic) === message) return;
    this.#byTopic.set(topic, message);
    this.#log.warning(message);
  }

  over(topic: string): void {
    this.#byTopic.delete(topic);
  }
}
