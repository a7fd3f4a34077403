/**
 * On a host: asks the daemon for N reconciles, one after the other, and prints one JSON list. Of each: the daemon's own
 * figure, how long the answer took, and how many processes and threads were started on the host meanwhile (by the last
 * PID that its namespace gave away: this process starts none itself). Run as `node reconciles.ts SOCKET N`.
 */
import { readFileSync } from 'node:fs';
import { request } from 'node:http';

interface Status {
  readonly verdict: string;
  readonly run: { readonly last: { readonly duration_ms: number; readonly started_ms: number } };
}

const [socketPath = '', count = '1'] = process.argv.slice(2);

function lastPid(): number {
  return Number(readFileSync('/proc/loadavg', 'utf8').split(' ')[4]);
}

function reconcile(): Promise<Status> {
  const { promise, resolve, reject } = Promise.withResolvers<Status>();
  const outgoing = request({ socketPath, method: 'POST', path: '/reconcile', agent: false }, (incoming) => {
    let text = '';
    incoming.setEncoding('utf8');
    incoming.on('data', (chunk: string) => {
      text += chunk;
    });
    incoming.on('error', reject);
    incoming.on('end', () => {
      const status: Status = JSON.parse(text);
      resolve(status);
    });
  });
  outgoing.on('error', reject);
  outgoing.end();
  return promise;
}

// The first request loads what Node needs for it, and starts its threads.
await reconcile();
const runs = [];
for (let left = Number(count); left > 0; left -= 1) {
  const before = lastPid();
  const begun = performance.now();
  const { verdict, run } = await reconcile();
  runs.push({
    verdict,
    run_ms: run.last.duration_ms,
    answer_ms: performance.now() - begun,
    started: lastPid() - before,
  });
}
process.stdout.write(JSON.stringify(runs));
