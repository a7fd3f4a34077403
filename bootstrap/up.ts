/** `npm run up`: controller, db and web as local hosts, converged from this clone's desired state. */
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { ensureImage } from '../test/hosts/build-image.ts';
import { bringUp, hostOf } from '../test/hosts/compose.ts';
import { tryDocker } from '../test/hosts/docker.ts';
import { ensureEngine, ensureProgram } from '../test/hosts/engine.ts';
import { controllerStatus } from './local/controller-api.ts';
import { awaitAnswer, awaitController, awaitHosts, awaitSite } from './local/converge.ts';
import { installAgent, installController } from './local/install.ts';
import { ensureKeys } from './local/keys.ts';
import { createProgress, type Progress } from './local/progress.ts';
import {
  type Access,
  accessTo,
  type DesiredState,
  ensureApplication,
  ensureDesiredState,
} from './local/repositories.ts';
import { type LocalSettings, localSettings, MANAGED } from './local/settings.ts';
import { hostLines } from './local/status-text.ts';
import { buildPackages } from './package.ts';

async function up(settings: LocalSettings, progress: Progress): Promise<string> {
  const log = (line: string): void => progress.detail(line);
  const { set, stateFolder } = settings;
  progress.step('looking at the machine');
  await ensureEngine(log);
  await ensureProgram({ program: 'git', packages: ['git'], log });
  await ensureProgram({ program: 'openssl', packages: ['openssl'], log });
  await mustBeFree(settings);

  progress.step('building the host image');
  await ensureImage('bookworm', log);

  progress.step('making keys, the application’s repository and packages');
  const keys = await ensureKeys(settings);
  await ensureApplication(settings);
  const packages = await buildPackages(join(stateFolder, 'packages'));

  progress.step('starting controller, db and web');
  await bringUp(set, log);

  progress.step('installing the controller');
  await installController(await hostOf(set, 'controller'), { packages, keys });
  await awaitAnswer(settings, keys);

  progress.step('pushing the desired state');
  const desiredState = await ensureDesiredState(settings, keys);
  await awaitController(settings, keys);

  progress.step('installing the agents');
  await Promise.all(
    MANAGED.map(async ({ service, host }) =>
      installAgent(await hostOf(set, service), { name: host, packages, keys, settings, log }),
    ),
  );

  progress.step('converging db-1 and web-1');
  await awaitHosts(settings, keys, progress);
  progress.step('asking the site');
  await awaitSite(settings);
  progress.end();
  const hosts = hostLines(await controllerStatus(settings.controllerUrl, keys));
  return farewell(settings, { desiredState, access: await accessTo(settings, keys), hosts });
}

/** A network of the machine or of another set at the same addresses would make a riddle of every later error. */
async function mustBeFree({ set }: LocalSettings): Promise<void> {
  const own = await tryDocker(['network', 'inspect', `${set.project}_private`]);
  if (own.code === 0) return;
  const holder = Object.entries(networkInterfaces()).find(([, addresses]) =>
    addresses?.some(({ address }) => address.startsWith(`${set.subnet}.`)),
  );
  if (holder === undefined) return;
  throw new Error(
    `the network ${set.subnet}.0/24 is in use on this machine (${holder[0]}): is another copy up? Take that one down, ` +
      'or choose another network and name: HOLDFAST_SUBNET=10.33.34 HOLDFAST_PROJECT=second HOLDFAST_STATE=.holdfast-second npm run up',
  );
}

function farewell(
  { siteUrl, set, stateFolder }: LocalSettings,
  { desiredState, access, hosts }: { desiredState: DesiredState; access: Access; hosts: string },
): string {
  const edit =
    desiredState.editing === 'here'
      ? ['vim desired-state/roles/web.yaml', "git commit -am 'web: …' && git push holdfast HEAD:main"]
      : [
          `git clone ${access.options.map(shellWord).join(' ')} ${desiredState.url} my-desired-state && cd my-desired-state`,
          'vim desired-state/roles/web.yaml',
          "git commit -am 'web: …' && git push",
        ];
  const isUsual = set.project === 'holdfast';
  const environment = `HOLDFAST_PROJECT=${set.project} HOLDFAST_SUBNET=${set.subnet} HOLDFAST_STATE=${stateFolder}`;
  const look = [
    ['npm run status', 'both hosts, as the controller sees them'],
    ['npm run hosts -- exec web holdfast-agent status', 'one host, in detail'],
    ['npm run hosts -- exec web bash', 'a shell on it: break something, and see it heal'],
  ].map(([command = '', about]) => `${command.padEnd(50)}${about}`);
  const lines = [
    '',
    `TodoMVC runs at ${siteUrl} (its certificate is self-signed)`,
    '',
    hosts.trimEnd(),
    '',
    ...(desiredState.unpushed
      ? ['This clone has commits that the hosts do not run yet: git push holdfast HEAD:main', '']
      : []),
    'Change something and push it; the push says what it will do, and how it goes:',
    ...edit.map((line) => `  ${line}`),
    ...(process.env['GIT_SSL_CAINFO'] === undefined
      ? []
      : ['  (first: unset GIT_SSL_CAINFO, which keeps git from trusting the certificate of this controller)']),
    '',
    'See how they are:',
    ...look.map((line) => `  ${line}`),
    '',
    'Remove all of it: npm run down',
    ...(isUsual ? [] : ['', `Every command for this set needs its environment: export ${environment}`]),
    '',
  ];
  return lines.join('\n');
}

function shellWord(word: string): string {
  return /^[\w./:=-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

const progress = createProgress(process.stderr);
try {
  const settings = localSettings();
  process.stdout.write(await up(settings, progress));
} catch (error) {
  progress.fail();
  process.stderr.write(`
up: ${error instanceof Error ? error.message : String(error)}

What is up stays up. Next: npm run status tells what the controller knows;
npm run hosts -- exec web journalctl --unit holdfast-agent tells what the agent says (db as well; holdfast-controller on controller).
Running npm run up again goes on from here; npm run down removes all of it.
`);
  process.exitCode = 1;
}
