/** Keeps the first and the last half of a stream that may be longer than its bound. */
export class TailBuffer {
  readonly #half_bytes: number;
  readonly #head: Buffer[] = [];
  #head_bytes = 0;
  #tail: Buffer[] = [];
  #tail_bytes = 0;
  #dropped_bytes = 0;

  constructor(max_bytes: number) {
    this.#half_bytes = Math.ceil(max_bytes / 2);
  }

  push(chunk: Buffer): void {
    const room = this.#half_bytes - this.#head_bytes;
    const first = chunk.subarray(0, Math.max(0, room));
    if (first.length > 0) {
      this.#head.push(first);
      this.#head_bytes += first.length;
    }
    const rest = chunk.subarray(first.length);
    if (rest.length === 0) return;
    this.#tail.push(rest);
    this.#tail_bytes += rest.length;
    if (this.#tail_bytes > 2 * this.#half_bytes) this.#shrink();
  }

  text(): string {
    this.#shrink();
    const head = Buffer.concat(this.#head).toString('utf8');
    const tail = Buffer.concat(this.#tail).toString('utf8');
    return this.#dropped_bytes === 0 ? head + tail : `${head}\n… ${this.#dropped_bytes} bytes dropped …\n${tail}`;
  }

  #shrink(): void {
    if (this.#tail_bytes <= this.#half_bytes) return;
    const whole = Buffer.concat(this.#tail);
    const kept = whole.subarray(whole.length - this.#half_bytes);
    this.#dropped_bytes += whole.length - kept.length;
    this.#tail = [Buffer.from(kept)];
    this.#tail_bytes = kept.length;
  }
}
