/**
 * Starts a program of this repository: `node bootstrap/launch.mjs PROGRAM.ts [ARGUMENTS]`. Runs on the machine's own
 * Node, 20 or later, as far as `npm ci`; the program runs on the repository's own.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const ownNode = join(root, 'node_modules/.bin/node');

/** Whether every package that package-lock.json wants is installed in that version. */
function packagesAreInstalled() {
  const installedList = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(ownNode) || !existsSync(installedList)) return false;
  const wanted = packagesOf(join(root, 'package-lock.json'));
  const installed = packagesOf(installedList);
  return Object.entries(wanted).every(
    ([path, { version, optional }]) => path === '' || optional === true || installed[path]?.version === version,
  );
}

function packagesOf(path) {
  return JSON.parse(readFileSync(path, 'utf8')).packages;
}

/** Runs a program with this terminal as its own, and ends this process with its status where that is not 0. */
function runOrExit(program, args, env = process.env) {
  const { status, signal, error } = spawnSync(program, args, { stdio: 'inherit', cwd: root, env });
  if (error !== undefined) {
    process.stderr.write(`cannot run ${program}: ${error.message}\n`);
    process.exit(127);
  }
  if (signal !== null) process.exit(signal === 'SIGINT' ? 130 : 143);
  if (status !== 0) process.exit(status);
}

// Ctrl-C reaches the program, which ends in its own time; this process only passes its status on.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});

if (!packagesAreInstalled()) {
  process.stderr.write('installing the packages of package-lock.json (npm ci)\n');
  const npm = process.env['npm_execpath'];
  const ci = ['ci', '--no-audit', '--no-fund', '--loglevel=error'];
  if (npm === undefined) runOrExit('npm', ci);
  else runOrExit(process.execPath, [npm, ...ci]);
}
runOrExit(ownNode, process.argv.slice(2), {
  ...process.env,
  PATH: `${join(root, 'node_modules/.bin')}:${process.env['PATH']}`,
});
