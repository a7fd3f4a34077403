import * as changes from './changes.js';

const RETRY_MS = 5_000;

/**
 * The list as the page shows it: what the server has, with the changes that it does not know yet applied on top.
 *
 * Changes are sent one after another in the order they were made. When the server is away they wait, still shown,
 * until it answers again; when it refuses one, that one is undone. Events: "change" when the list may look different,
 * "trouble" (detail: RequestFailed) and "recovered".
 */
export class Store extends EventTarget {
  #api;
  #saved = [];
  #pending = [];
  #sending = false;
  #failure = null;
  #retryTimer = 0;
  #newKeys = 0;
  #stale = false;

  constructor(api) {
    super();
    this.#api = api;
  }

  get todos() {
    return this.#pending.reduce((todos, change) => change.apply(todos), this.#saved);
  }

  get hasUnsaved() {
    return this.#pending.length > 0;
  }

  add(title) {
    this.#newKeys += 1;
    this.#make(changes.add(`new-${this.#newKeys}`, title));
  }

  update(key, fields) {
    this.#make(changes.update(key, fields));
  }

  remove(key) {
    this.#make(changes.remove(key));
  }

  toggleAll(completed) {
    this.#make(changes.toggleAll(completed));
  }

  clearCompleted() {
    this.#make(changes.clearCompleted());
  }

  /** Fetches the server's list, unless changes wait to be sent: those come first. */
  async load() {
    if (this.#sending) return;
    if (this.hasUnsaved) return this.#send();
    try {
      const list = await this.#api.list();
      // A change made meanwhile may or may not be in this answer.
      if (this.hasUnsaved || this.#sending) return;
      const keys = new Map(this.#saved.map((todo) => [todo.id, todo.key]));
      this.#stale = false;
      this.#saved = list.map((todo) => ({ ...todo, key: keys.get(todo.id) ?? `id-${todo.id}` }));
      this.#recovered();
      this.#changed();
    } catch (failure) {
      this.#inTrouble(failure);
    }
  }

  /** Tries again now what waits for the server. */
  retry() {
    return this.load();
  }

  /** Gives up what waits for the server. */
  discard() {
    this.#pending = [];
    this.#recovered();
    this.#changed();
    return this.load();
  }

  #make(change) {
    this.#pending.push(change);
    this.#changed();
    this.#send();
  }

  async #send() {
    if (this.#sending) return;
    this.#sending = true;
    let paused = false;
    while (this.#pending.length > 0 && !paused) paused = await this.#sendOne(this.#pending[0]);
    this.#sending = false;
    if (this.#stale && !paused) await this.load();
  }

  async #sendOne(change) {
    try {
      const answer = await change.send(this.#api, (key) => this.#saved.find((todo) => todo.key === key)?.id);
      this.#saved = change.settle(this.#saved, answer);
      this.#recovered();
    } catch (failure) {
      this.#inTrouble(failure);
      if (failure.retryable) return true;
    }
    this.#pending = this.#pending.filter((other) => other !== change);
    this.#changed();
    return false;
  }

  #inTrouble(failure) {
    this.#failure = failure;
    clearTimeout(this.#retryTimer);
    if (failure.retryable) this.#retryTimer = setTimeout(() => this.retry(), RETRY_MS);
    // Somebody else may have deleted the todo: show what there really is.
    if (failure.status === 404) this.#stale = true;
    this.dispatchEvent(new CustomEvent('trouble', { detail: failure }));
  }

  #recovered() {
    clearTimeout(this.#retryTimer);
    if (!this.#failure) return;
    this.#failure = null;
    this.dispatchEvent(new Event('recovered'));
  }

  #changed() {
    this.dispatchEvent(new Event('change'));
  }
}
