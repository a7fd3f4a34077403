/** `npm run down`: removes the local hosts, their network and all state of them on this machine. */
import { rm } from 'node:fs/promises';
import { takeDown } from '../test/hosts/compose.ts';
import { ensureEngine } from '../test/hosts/engine.ts';
import { createProgress } from './local/progress.ts';
import { forgetRemote } from './local/repositories.ts';
import { localSettings } from './local/settings.ts';

const progress = createProgress(process.stderr);
try {
  const settings = localSettings();
  progress.step('removing controller, db and web');
  await ensureEngine((line) => progress.detail(line));
  await takeDown(settings.set, () => {});
  progress.step('removing keys, repositories and packages');
  await forgetRemote(settings);
  await rm(settings.stateFolder, { recursive: true, force: true });
  progress.end();
} catch (error) {
  progress.fail();
  process.stderr.write(
    `\ndown: ${error instanceof Error ? error.message : String(error)}\nRun npm run down again once that is mended.\n`,
  );
  process.exitCode = 1;
}
