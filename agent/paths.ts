import { join } from 'node:path';

/** Where the agent keeps what outlives it. Readable by root alone: the manifest holds secrets. */
export const stateDirectory = process.env['HOLDFAST_STATE_DIRECTORY'] ?? '/var/lib/holdfast';

/** The last good manifest. */
export const manifestPath = join(stateDirectory, 'manifest.json');

/** Which resources have been converged under which revision. */
export const recollectionPath = join(stateDirectory, 'converged.json');

export const runLockPath = join(stateDirectory, 'run.lock');

/** Sockets and what else ends with a boot. */
export const runDirectory = process.env['HOLDFAST_RUN_DIRECTORY'] ?? '/run/holdfast';
