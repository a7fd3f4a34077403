/** How many rows one statement writes: far below the databases' bounds of parameters, and a few milliseconds of work. */
const ROWS = 200;

export function* batchesOf<T>(rows: readonly T[], size = ROWS): Generator<readonly T[]> {
  for (let start = 0; start < rows.length; start += size) yield rows.slice(start, start + size);
}
