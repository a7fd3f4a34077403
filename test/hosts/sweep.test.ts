import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { bakedImage } from './bake.ts';
import { docker, tryDocker } from './docker.ts';
import { startHost } from './host.ts';
import { sweepLeftovers } from './sweep.ts';

const START_A_HOST = `
  import { startHost } from ${JSON.stringify(new URL('host.ts', import.meta.url).href)};
  const host = await startHost({ name: 'left' });
  console.log(host.container);
  process.on('SIGTERM', () => process.exit(0));
  setInterval(() => {}, 1000);`;

/** Starts a process that starts a host and stays. Resolves to it and the container's id. */
async function processWithHost() {
  const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', START_A_HOST], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  for await (const container of createInterface(child.stdout)) return { child, container };
  throw new Error('the process ended before its host had booted');
}

async function exists(container: string): Promise<boolean> {
  return (await tryDocker(['inspect', '--format', '{{.Id}}', container])).code === 0;
}

test('what a killed process left behind is swept, and what a living one uses is not', async () => {
  await using mine = await startHost();
  const { child, container } = await processWithHost();
  await sweepLeftovers();
  assert.equal(await exists(container), true, 'its owner lives');
  child.kill('SIGKILL');
  await once(child, 'exit');
  await sweepLeftovers();
  assert.equal(await exists(container), false);
  assert.equal(await exists(mine.container), true);
});

test('a process that ends takes its hosts and networks with it', async () => {
  const { child, container } = await processWithHost();
  const network = await docker([
    'inspect',
    '--format',
    '{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}',
    container,
  ]);
  child.kill('SIGTERM');
  await once(child, 'exit');
  assert.equal(await exists(container), false);
  assert.notEqual((await tryDocker(['network', 'inspect', network])).code, 0);
});

test('a baked host starts as it was prepared, with an identity of its own, and is prepared once', async () => {
  let prepared = 0;
  const bake = () =>
    bakedImage({
      name: 'sweep-test',
      inputs: [String(process.pid)],
      prepare: async (host) => {
        prepared++;
        await host.writeFile('/srv/prepared', 'yes');
      },
    });
  const image = await bake();
  try {
    assert.equal(await bake(), image);
    assert.equal(prepared, 1);
    await using first = await startHost({ image });
    await using second = await startHost({ image });
    assert.equal(await first.readFile('/srv/prepared'), 'yes');
    assert.notEqual(await first.readFile('/etc/machine-id'), await second.readFile('/etc/machine-id'));
    assert.equal((await first.mustExec(['systemctl', 'is-system-running'])).trim(), 'running');
  } finally {
    await docker(['image', 'rm', '--force', image]);
  }
});
