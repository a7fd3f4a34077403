/** `npm run status [-- --json]`: the local hosts as their controller sees them. Exit status: 0 where all are converged. */
import { controllerStatus } from './local/controller-api.ts';
import { ensureKeys } from './local/keys.ts';
import { isUp, localSettings, MANAGED } from './local/settings.ts';
import { hostLines } from './local/status-text.ts';

try {
  const settings = localSettings();
  if (!isUp(settings)) throw new Error('nothing is up here: npm run up');
  const status = await controllerStatus(settings.controllerUrl, await ensureKeys(settings));
  if (process.argv.includes('--json')) process.stdout.write(`${JSON.stringify(status, null, 2)}\n`);
  else {
    process.stdout.write(`revision ${status.served?.revision.slice(0, 12) ?? 'none'} is served\n${hostLines(status)}`);
    if (status.whyDifferent !== undefined) process.stdout.write(`${status.whyDifferent}\n`);
    for (const { text } of status.issues) process.stdout.write(`  ${text}\n`);
  }
  const converged = MANAGED.every(({ host }) =>
    status.hosts.some((one) => one.host === host && one.state === 'converged'),
  );
  process.exitCode = converged && status.whyDifferent === undefined ? 0 : 1;
} catch (error) {
  process.stderr.write(`status: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
