/** `npm test [LAYER|FILE…] [--long]`: runs the tests of all layers, and ends with one line that sums them up. */
import { existsSync, globSync } from 'node:fs';
import { relative } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { parseArgs } from 'node:util';
import { ensureImage } from './hosts/build-image.ts';

interface Layer {
  readonly about: string;
  readonly needs: 'nothing' | 'hosts';
  /** Runs only when it is asked for, by its name or with `--long`. */
  readonly long?: true;
}

const LAYERS: Readonly<Record<string, Layer>> = {
  unit: { about: 'parts by themselves, without a host', needs: 'nothing' },
  programs: {
    about: 'the controller and its command line with git, databases and processes, without a host',
    needs: 'nothing',
  },
  e2e: { about: 'up, push, browser, down', needs: 'hosts' },
  faults: { about: 'kills, full disks and other bad days', needs: 'hosts' },
  drift: { about: 'the reference deployment, broken by hand and healed', needs: 'hosts' },
  conformance: { about: 'each kind on real hosts', needs: 'hosts' },
  controller: { about: 'the controller: attacks, and what it shares with others', needs: 'hosts' },
  agent: { about: 'the daemon on real hosts', needs: 'hosts' },
  hosts: { about: 'the test hosts themselves', needs: 'hosts' },
  peers: { about: 'beside Ansible on the same host', needs: 'hosts', long: true },
};

/**
 * Started first, so that none of the longest is left alone at the end. The first one bakes images that bad-days, drift and
 * rotation start from: those would only wait for it.
 */
const FIRST: readonly string[] = [
  'test/faults/kills.test.ts',
  'test/conformance/releases.test.ts',
  'test/conformance/releases-failures.test.ts',
  'test/conformance/files.test.ts',
  'test/e2e/deployment.test.ts',
  'test/e2e/install.test.ts',
  'test/faults/bad-days.test.ts',
  'test/drift/drift.test.ts',
  'test/controller/rotation.test.ts',
];

const USAGE = `usage: npm test [-- [--long] LAYER|FILE...]

Runs the tests and sets up what they need: as root on Debian or Ubuntu. --long runs the long forms as well.
Layers:
${Object.entries(LAYERS)
  .map(([name, { about, long }]) => `  ${name.padEnd(12)} ${about}${long === true ? ' (long)' : ''}\n`)
  .join('')}`;

/** Each file of tests may start hosts of its own, and waits for them half of its time: three at a time suit two cores. */
const FILES_AT_A_TIME = { nothing: 2, hosts: 3 } as const;
const BOUNDS_MS = { usual: { test: 2_400_000, all: 4_200_000 }, long: { test: 7_200_000, all: 21_600_000 } };

interface Tally {
  passed: number;
  failed: number;
  skipped: number;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { long: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } },
});

if (values.help) {
  process.stdout.write(USAGE);
} else {
  process.exitCode = await main(positionals);
}

async function main(asked: readonly string[]): Promise<number> {
  const unknown = asked.filter((name) => LAYERS[name] === undefined && !existsSync(name));
  if (unknown.length > 0) {
    process.stderr.write(`there is no layer or file ${unknown.join(', ')}\n\n${USAGE}`);
    return 64;
  }
  // For the tests that have a long form.
  if (values.long) process.env['HOLDFAST_LONG'] = '1';
  const files = filesOf(asked);
  const light = files.filter((file) => LAYERS[layerOf(file)]?.needs === 'nothing');
  const heavy = files.filter((file) => !light.includes(file));
  const tallies = new Map<string, Tally>();
  // The build waits for mirrors half of its time.
  const image = heavy.length > 0 ? imageIsThere() : undefined;
  const sum = await runFiles(light, 'nothing', tallies);
  if (await image) add(sum, await runFiles(longestFirst(heavy), 'hosts', tallies));
  else if (heavy.length > 0) sum.failed += 1;
  return summarize(tallies, sum);
}

/** Built here and not in the first test that needs it: that takes long, and shows its progress. */
async function imageIsThere(): Promise<boolean> {
  try {
    await ensureImage('bookworm', (line) => process.stdout.write(`hosts: ${line}\n`));
    return true;
  } catch (error) {
    process.stdout.write(`hosts: ${error instanceof Error ? error.message : String(error)}\n`);
    return false;
  }
}

function filesOf(asked: readonly string[]): readonly string[] {
  const layers = Object.entries(LAYERS).flatMap(([name, { long }]) => {
    const wanted = asked.length === 0 ? long !== true || values.long : asked.includes(name);
    return wanted ? globSync(`test/${name}/**/*.test.ts`).toSorted() : [];
  });
  return [...layers, ...asked.filter((name) => LAYERS[name] === undefined)];
}

function longestFirst(files: readonly string[]): readonly string[] {
  const place = (file: string) => (FIRST.includes(file) ? FIRST.indexOf(file) : FIRST.length);
  return files.toSorted((a, b) => place(a) - place(b));
}

function layerOf(file: string): string {
  return relative('test', file).split('/')[0] ?? '';
}

/** Resolves to the sum over all files, one that was ended at its bound or could not be loaded counted as failed. */
async function runFiles(files: readonly string[], needs: Layer['needs'], tallies: Map<string, Tally>): Promise<Tally> {
  const sum: Tally = { passed: 0, failed: 0, skipped: 0 };
  if (files.length === 0) return sum;
  const bounds_ms = BOUNDS_MS[values.long ? 'long' : 'usual'];
  const tests = run({
    files: [...files],
    concurrency: FILES_AT_A_TIME[needs],
    timeout: bounds_ms.test,
    signal: AbortSignal.timeout(bounds_ms.all),
  });
  tests.on('test:summary', ({ file, counts }) => {
    const { tests: all, passed, skipped, todo } = counts;
    const counted = { passed, skipped, failed: all - passed - skipped - todo };
    if (file === undefined) return add(sum, counted);
    const layer = tallies.get(layerOf(file)) ?? { passed: 0, failed: 0, skipped: 0 };
    add(layer, counted);
    tallies.set(layerOf(file), layer);
  });
  for await (const text of tests.compose(spec)) process.stdout.write(String(text));
  return sum;
}

function add(sum: Tally, { passed, failed, skipped }: Tally): void {
  sum.passed += passed;
  sum.failed += failed;
  sum.skipped += skipped;
}

/** Prints how each layer did and the sum. The exit status: a run without a test is no success. */
function summarize(tallies: ReadonlyMap<string, Tally>, sum: Tally): number {
  for (const [name, { passed, failed, skipped }] of tallies) {
    process.stdout.write(`${name}: ${passed} passed, ${failed} failed, ${skipped} skipped\n`);
  }
  process.stdout.write(`${sum.passed} passed, ${sum.failed} failed\n`);
  return sum.failed === 0 && sum.passed > 0 ? 0 : 1;
}
