/** One measured quantity: what `npm run bench` prints. */
export interface Figure {
  readonly name: string;
  readonly unit: 'ms' | 's' | 'MB' | 'count';
  readonly median: number;
  readonly p99: number;
  readonly n: number;
  /** The bound that the figure must keep, in the same unit; absent where a figure is only for comparison. */
  readonly floor?: number;
  /** Whether it does. */
  readonly holds?: boolean;
}

export type AddFigures = (figures: readonly Figure[]) => void;

export interface Report {
  readonly bench: string;
  readonly machine: Machine;
  /** Of one minute, as the machine had it: figures of a busy machine are worth less. */
  readonly load_average: { readonly before: number; readonly after: number };
  readonly figures: readonly Figure[];
}

export interface Machine {
  readonly cpus: number;
  readonly model: string;
  readonly memory_mb: number;
  readonly kernel: string;
  readonly node: string;
}

export interface Measured {
  readonly name: string;
  readonly unit: Figure['unit'];
  readonly samples: readonly number[];
  /** The median must stay below it. */
  readonly below?: number;
  /** The median must not exceed it. */
  readonly atMost?: number;
}

export function figureOf({ name, unit, samples, below, atMost }: Measured): Figure {
  if (samples.length === 0) throw new Error(`nothing was measured for "${name}"`);
  const sorted = [...samples].sort((a, b) => a - b);
  const figure = { name, unit, median: round(at(sorted, 0.5)), p99: round(at(sorted, 0.99)), n: sorted.length };
  if (below !== undefined) return { ...figure, floor: below, holds: figure.median < below };
  return atMost === undefined ? figure : { ...figure, floor: atMost, holds: figure.median <= atMost };
}

/** Nearest rank. */
function at(sorted: readonly number[], quantile: number): number {
  const value = sorted[Math.min(sorted.length - 1, Math.ceil(quantile * sorted.length) - 1)];
  if (value === undefined) throw new Error('a quantile of nothing');
  return value;
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}

/** For the progress: a bench that is broken off has still shown what it had measured. */
export function lineOf({ name, median, p99, unit, n, floor }: Figure): string {
  return `${name}: ${median} ${unit} (p99 ${p99}, n ${n}${floor === undefined ? '' : `, floor ${floor}`})`;
}
