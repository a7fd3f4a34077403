/** `npm run bench -- NAME [--check]`: one JSON object on stdout, progress on stderr. */
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import type { Figure, Report } from './figure.ts';
import { thisMachine } from './machine.ts';
import { DEFAULTS, type Progress, type Settings } from './settings.ts';

interface Bench {
  readonly about: string;
  measure(settings: Settings, progress: Progress): Promise<readonly Figure[]>;
}

const benches: Readonly<Record<string, () => Promise<Bench>>> = {
  noop: async () => import('./noop/bench.ts'),
  blank: async () => import('./blank/bench.ts'),
  fleet: async () => import('./fleet/bench.ts'),
  push: async () => import('./push/bench.ts'),
};

const USAGE = `usage: npm run bench -- NAME [--check] [--warm N] [--cold N] [--peers N] [--scaled-peers N] [--idle SECONDS] [--agents N] [--pushes N]

Measures and prints one JSON object; with --check the exit code is 1 when a figure misses its floor.
Names: ${Object.keys(benches).join(', ')}
  --warm N          reconciles of the daemon (default ${DEFAULTS.warm_runs})
  --cold N          runs of holdfast-agent from the command line (default ${DEFAULTS.cold_runs})
  --peers N         runs of each peer (default ${DEFAULTS.peer_runs}; 0: no peers)
  --scaled-peers N  runs of each peer with 500 more files (default ${DEFAULTS.scaled_peer_runs})
  --idle SECONDS    how long the daemon is idle before its memory is taken (default ${DEFAULTS.idle_s})
  --agents N        simulated agents of the fleet (default ${DEFAULTS.agents})
  --pushes N        pushes of a changed configuration (default ${DEFAULTS.pushes})
`;

function wholeNumber(text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  if (!/^\d+$/.test(text)) throw new Error(`expected a whole number, got "${text}"`);
  return Number(text);
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      check: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      warm: { type: 'string' },
      cold: { type: 'string' },
      peers: { type: 'string' },
      'scaled-peers': { type: 'string' },
      idle: { type: 'string' },
      agents: { type: 'string' },
      pushes: { type: 'string' },
    },
  });
  const [name] = positionals;
  const load = name === undefined ? undefined : benches[name];
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (name === undefined || load === undefined) {
    process.stderr.write(USAGE);
    return 64;
  }
  const bench = await load();
  const progress: Progress = (line) => process.stderr.write(`${name}: ${line}\n`);
  const settings: Settings = {
    warm_runs: wholeNumber(values.warm, DEFAULTS.warm_runs),
    cold_runs: wholeNumber(values.cold, DEFAULTS.cold_runs),
    peer_runs: wholeNumber(values.peers, DEFAULTS.peer_runs),
    scaled_peer_runs: wholeNumber(values['scaled-peers'], DEFAULTS.scaled_peer_runs),
    idle_s: wholeNumber(values.idle, DEFAULTS.idle_s),
    agents: wholeNumber(values.agents, DEFAULTS.agents),
    pushes: wholeNumber(values.pushes, DEFAULTS.pushes),
  };
  progress(bench.about);
  const load_before = loadavg()[0] ?? 0;
  const figures = await bench.measure(settings, progress);
  const load_average = { before: load_before, after: loadavg()[0] ?? 0 };
  process.stdout.write(
    `${JSON.stringify({ bench: name, machine: thisMachine(), load_average, figures } satisfies Report)}\n`,
  );
  const missed = figures.filter((figure) => figure.holds === false);
  for (const { name: figure, median, floor, unit } of missed) {
    progress(`${figure} is ${median} ${unit}, its floor is ${floor} ${unit}`);
  }
  return values.check && missed.length > 0 ? 1 : 0;
}

process.exitCode = await main();
