/**
 * On a host: asks the daemon for N reconciles, one after the other, and prints one JSON list. Of each: the daemon's own
 * figure, how long the answer took, the CPU time of the daemon, and how many processes and threads were started on the host meanwhile (by the last
 * PID that its namespace gave away: this process starts none itself). Run as `node reconciles.ts SOCKET N`.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { request } from 'node:http';

interface Status {
  readonly pid: number;
  readonly verdict: string;
  readonly run: { readonly last: { readonly duration_ms: number; readonly started_ms: number } };
}

const [socketPath = '', count = '1'] = process.argv.slice(2);

function lastPid(): number {
  return Number(readFileSync('/proc/loadavg', 'utf8').split(' ')[4]);
}

/** Milliseconds on a processor, of all threads (proc(5), schedstat): worth more than wall time on a busy machine. */
function cpu_ms(pid: number): number {
  const tasks = readdirSync(`/proc/${pid}/task`);
  const each = tasks.map((task) => Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]));
  return each.reduce((sum, spent_ns) => sum + spent_ns, 0) / 1_000_000;
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
const { pid } = await reconcile();
const runs = [];
for (let left = Number(count); left > 0; left -= 1) {
  const before = lastPid();
  const spent_ms = cpu_ms(pid);
  const begun = performance.now();
  const { verdict, run } = await reconcile();
  runs.push({
    verdict,
    run_ms: run.last.duration_ms,
    answer_ms: performance.now() - begun,
    cpu_ms: cpu_ms(pid) - spent_ms,
    started: lastPid() - before,
  });
}
process.stdout.write(JSON.stringify(runs));
