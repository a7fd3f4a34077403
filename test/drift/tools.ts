/** A signed package repository on the web host, for the tests' own role. */
import { INSTALL_GPG, makeKey, publish } from '../conformance/apt-repository.ts';
import type { Host } from '../hosts/host.ts';

/** The public key, as text. */
export const TOOLS_KEY = '/srv/apt/tools.asc';

export async function prepareTools(host: Host): Promise<void> {
  await host.sh(INSTALL_GPG);
  const key = await makeKey(host, 'tools@example.org');
  await publish(host, 'tools', 'tools@example.org', [
    { name: 'drift-tool', version: '1.0', conffile: 'colour = red\n' },
  ]);
  await host.writeFile(TOOLS_KEY, key);
}
