import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { diffSnapshots } from '../hosts/diff-snapshots.ts';
import { type Host, startHost } from '../hosts/host.ts';
import { AgentOnHost, differences, resourceOf, type Sections } from './agent-on-host.ts';
import { debPath, INSTALL_GPG, makeKey, publish, repositoryUri, type TestPackage } from './apt-repository.ts';

const PACKAGES = 'packages/packages';
const REPOSITORIES = 'repositories/repositories';

const INITIAL: readonly TestPackage[] = [
  { name: 'hf-latest', version: '1.0', conffile: 'from 1.0\n' },
  { name: 'hf-pinned', version: '1.0' },
  { name: 'hf-pinned', version: '1.2' },
  { name: 'hf-pinned', version: '2.0' },
  { name: 'hf-held', version: '1.0' },
  { name: 'hf-held', version: '2.0' },
  { name: 'hf-main', version: '1.0', fields: { Depends: 'hf-library', Recommends: 'hf-recommended' } },
  { name: 'hf-library', version: '1.0' },
  { name: 'hf-recommended', version: '1.0' },
  { name: 'hf-provider-a', version: '1.0', fields: { Provides: 'hf-virtual' } },
  { name: 'hf-provider-b', version: '1.0', fields: { Provides: 'hf-virtual' } },
  { name: 'hf-rival', version: '1.0', fields: { Conflicts: 'hf-library' } },
  { name: 'hf-configured', version: '1.0', conffile: 'configured\n' },
  { name: 'hf-unwanted', version: '1.0' },
  { name: 'hf-daemon', version: '1.0', daemon: true },
];

let host: Host;
let agent: AgentOnHost;
let key: string;
let otherKey: string;

before(async () => {
  host = await startHost();
  agent = await AgentOnHost.install(host);
  await host.sh(INSTALL_GPG);
  key = await makeKey(host, 'first@example.org');
  otherKey = await makeKey(host, 'second@example.org');
  await publish(host, 'main', 'first@example.org', INITIAL);
  // What this file tests comes from its own repository; Debian's, which the host cannot reach, would only answer slowly.
  await host.sh('mv /etc/apt/sources.list /root/sources.list; apt-get update -qq');
});

after(() => host.dispose());

function sections(packages: object, repositories: object = {}): Sections {
  return { repositories: { main: { uris: repositoryUri('main'), suites: './', key }, ...repositories }, packages };
}

const DECLARED = {
  'hf-latest': 'latest',
  'hf-pinned': '1.*',
  'hf-held': { version: '2.0', held: true, allow_downgrade: true },
  'hf-main': { recommends: false },
  'hf-library': 'present',
  'hf-provider-a': 'present',
  'hf-virtual': 'present',
  'hf-configured': { ensure: 'absent', purge: true },
  'hf-unwanted': 'absent',
};

/** Nothing pending; and making the plan starts no process of apt, which is what a steady state costs. */
async function planIsEmpty(): Promise<void> {
  const { code, result, stderr } = await agent.plan();
  assert.deepEqual(differences(result), []);
  assert.equal(code, 0, stderr);
}

async function converge(manifest: Sections): Promise<void> {
  await agent.writeManifest(manifest);
  const { code, result, stderr } = await agent.run();
  assert.equal(code, 0, `${stderr}${differences(result).join('\n')}`);
  await planIsEmpty();
}

async function version(name: string): Promise<string> {
  const said = await host.sh(`dpkg-query -Wf '\${db:Status-Status} \${Version}' ${name} 2>/dev/null || true`);
  return said.trim() === 'not-installed' ? '' : said.trim();
}

interface Breakage {
  readonly by: string;
  readonly summary: RegExp;
  readonly resource?: string;
  /** What is done by hand while it is being healed. */
  readonly meanwhile?: string;
}

async function heals({ by, summary, resource = PACKAGES, meanwhile = 'true' }: Breakage): Promise<void> {
  await host.sh(by);
  const before_ = await host.snapshot();
  const { code, result } = await agent.plan();
  assert.deepEqual(diffSnapshots(before_, await host.snapshot()), [], 'the dry run changed the host');
  assert.equal(code, 2, differences(result).join('\n'));
  const { changes, cause } = resourceOf(result, resource);
  assert.equal(cause, 'corrective');
  assert.ok(
    changes.some((change) => summary.test(change.summary)),
    `no change matches ${summary}:\n${differences(result).join('\n')}`,
  );
  const [run] = await Promise.all([agent.run(), host.sh(meanwhile)]);
  assert.equal(run.code, 0, differences(run.result).join('\n'));
  await planIsEmpty();
}

const apt = 'apt-get install -qq -y --allow-downgrades --allow-change-held-packages';

describe('packages from a repository of their own', () => {
  test('a blank host converges, and the second run has nothing to do', async () => {
    await converge(sections(DECLARED));
    assert.equal(await version('hf-latest'), 'installed 1.0');
    assert.equal(await version('hf-pinned'), 'installed 1.2');
    assert.equal(await version('hf-held'), 'installed 2.0');
    assert.equal((await host.sh('apt-mark showhold')).trim(), 'hf-held');
    assert.equal(await version('hf-recommended'), '');
    assert.equal((await host.sh('apt-mark showmanual hf-library')).trim(), 'hf-library');
  });

  test('a plan of the converged host starts neither apt nor dpkg, and finds its answers on disk', async () => {
    const tools = 'for one in apt-cache apt-get dpkg dpkg-query apt-mark; do mv';
    await host.sh(`${tools} /usr/bin/$one /usr/bin/$one.away; done`);
    try {
      await planIsEmpty();
    } finally {
      await host.sh(`${tools} /usr/bin/$one.away /usr/bin/$one; done`);
    }
  });

  test('a damaged cache of candidates is not believed and does no harm', async () => {
    const cache = '/var/cache/holdfast/package-candidates.json';
    const before_ = await host.readFile(cache);
    for (const garbage of ['', '{"key":', '[]', '{"key":"x","answers":[[1]]}']) {
      await host.writeFile(cache, garbage);
      await planIsEmpty();
    }
    await host.writeFile(cache, before_);
  });

  test('a removed package is installed again', () =>
    heals({ by: 'apt-get remove -qq hf-latest', summary: /^install hf-latest$/ }));

  test('a package that was upgraded out of its range, with consent to go back, goes back', async () => {
    await converge(sections({ ...DECLARED, 'hf-pinned': { version: '>= 1.0, < 2', allow_downgrade: true } }));
    await heals({ by: `${apt} hf-pinned=2.0`, summary: /^downgrade hf-pinned$/ });
    assert.equal(await version('hf-pinned'), 'installed 1.2');
    await converge(sections(DECLARED));
  });

  test('a hold that was taken off is set again', () =>
    heals({ by: 'apt-mark unhold hf-held', summary: /^hold hf-held$/ }));

  test('a held package that was changed all the same comes back, and is held', async () => {
    await heals({ by: `${apt} hf-held=1.0`, summary: /upgrade hf-held/ });
    assert.equal((await host.sh('apt-mark showhold')).trim(), 'hf-held');
  });

  test('a dependency that is declared is marked as installed by hand', () =>
    heals({ by: 'apt-mark auto hf-library', summary: /^mark manual hf-library$/ }));

  test('an unwanted package is removed', async () => {
    await heals({ by: `${apt} hf-unwanted`, summary: /^remove hf-unwanted$/ });
    assert.notEqual(await version('hf-unwanted'), 'installed 1.0');
  });

  test('a configuration that was left behind is purged', async () => {
    await heals({ by: `${apt} hf-configured; apt-get remove -qq hf-configured`, summary: /^purge hf-configured$/ });
    await host.sh('test ! -e /etc/hf-configured.conf');
  });

  test('a package that is installed and shall be purged goes with its configuration', async () => {
    await heals({ by: `${apt} hf-configured`, summary: /^remove hf-configured; purge hf-configured$/ });
    await host.sh('test ! -e /etc/hf-configured.conf');
  });

  test('an interrupted dpkg is repaired', async () => {
    await heals({
      by: `dpkg --unpack ${debPath('main', { name: 'hf-pinned', version: '1.2' })} >/dev/null`,
      summary: /^finish what an interrupted dpkg left half done/,
    });
    assert.equal(await version('hf-pinned'), 'installed 1.2');
  });

  test('the provider of a virtual package is removed and comes back', () =>
    heals({ by: 'apt-get remove -qq hf-provider-a', summary: /install hf-provider-a/ }));

  test('a new version is found when the lists are a day old, and a configuration edited by hand is kept', async () => {
    await host.sh('echo by hand >/etc/hf-latest.conf');
    await publish(host, 'main', 'first@example.org', [{ name: 'hf-latest', version: '1.1', conffile: 'from 1.1\n' }]);
    const old = 'touch -d "2 days ago" /var/lib/apt/lists /var/lib/apt/periodic/update*stamp';
    await heals({ by: old, summary: /^fetch the package lists \(48 h old\)/ });
    assert.equal(await version('hf-latest'), 'installed 1.1');
    assert.equal(await host.readFile('/etc/hf-latest.conf'), 'by hand\n');
  });

  test('lists that cannot be fetched are no error while nothing needs them', async () => {
    const old = 'touch -d "2 days ago" /var/lib/apt/lists /var/lib/apt/periodic/update*stamp';
    try {
      await heals({ by: `mv /srv/apt/main /srv/apt/away; ${old}`, summary: /^fetch the package lists/ });
    } finally {
      await host.sh('mv /srv/apt/away /srv/apt/main; apt-get update -qq');
    }
  });

  test('another holder of the lock is waited for', async () => {
    await heals({
      by: `apt-get remove -qq hf-pinned
        systemd-run --quiet --unit lock-holder perl -e 'use Fcntl;
          open my $file, "+<", "/var/lib/dpkg/lock-frontend" or die;
          my $lock = pack("s s l! l! i", F_WRLCK, 0, 0, 0, 0);
          fcntl($file, F_SETLK, $lock) or die; sleep 600'
        timeout 30 bash -c 'while apt-get install -qq -y --reinstall hf-latest 2>/dev/null; do :; done'`,
      summary: /^install hf-pinned$/,
      meanwhile: `timeout 60 bash -c 'until pgrep --exact apt-get >/dev/null; do :; done'; systemctl stop lock-holder`,
    });
  });
});

describe('what packages refuse', () => {
  /** Runs with these packages, expects the error, and that no package changed. */
  async function refuses(packages: object, error: RegExp, status = 'stalled'): Promise<void> {
    const dpkg = await host.sh('dpkg-query -W');
    await agent.writeManifest(sections(packages));
    const { code, result } = await agent.run();
    const resource = resourceOf(result, PACKAGES);
    assert.equal(code, 1, differences(result).join('\n'));
    assert.match(resource.error ?? '', error);
    assert.equal(resource.status, status);
    assert.equal(await host.sh('dpkg-query -W'), dpkg);
  }

  test('an unknown package, with names that are near', () =>
    refuses(
      { ...DECLARED, 'hf-latset': 'present' },
      /no source of this host knows a package hf-latset; near are hf-latest/,
    ));

  test('an unknown version, with those that are known', () =>
    refuses(
      { ...DECLARED, 'hf-pinned': '3.*' },
      /no version of hf-pinned matches "3\.\*"; known are 2\.0, 1\.2, 1\.0/,
    ));

  test('a virtual package that several could provide, which are named', async () => {
    await host.sh('apt-get remove -qq hf-provider-a');
    await refuses(
      { 'hf-virtual': 'present' },
      /'hf-virtual' has no installation candidate\n *hf-provider-b 1\.0\n *hf-provider-a/,
    );
    await converge(sections(DECLARED));
  });

  test('a downgrade without consent', async () => {
    await host.sh(`${apt} hf-pinned=2.0`);
    await refuses(
      DECLARED,
      /hf-pinned 2\.0 is installed, and 1\.\* would be a downgrade to 1\.2.*allow_downgrade: true/,
    );
    await host.sh(`${apt} hf-pinned=1.2`);
  });

  test('a conflict that would remove another package', () =>
    refuses({ ...DECLARED, 'hf-rival': 'present' }, /apt would also remove hf-main, remove hf-library: declare/));

  test('a removal that would take another package along', () =>
    refuses({ 'hf-library': 'absent' }, /apt would also remove hf-main: declare that in "packages"/));

  test('an upgrade and a removal of a package that somebody holds by hand', async () => {
    await host.sh('apt-mark hold hf-pinned');
    await refuses({ ...DECLARED, 'hf-pinned': '2.*' }, /hf-pinned is held at 1\.2 by hand.*wants 2\.\*/);
    await refuses({ ...DECLARED, 'hf-pinned': 'absent' }, /hf-pinned is held at 1\.2 by hand.*wants absent/);
    await converge(sections(DECLARED));
    assert.match(await host.sh('apt-mark showhold'), /hf-pinned/);
    await converge(sections({ ...DECLARED, 'hf-pinned': { version: '1.*', held: false } }));
    assert.doesNotMatch(await host.sh('apt-mark showhold'), /hf-pinned/);
  });
});

describe('the daemon of a package', () => {
  const active = 'systemctl is-active hf-daemon || true';

  test('starts, but not where policy-rc.d forbids it', async () => {
    await host.sh("printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d; chmod 0755 /usr/sbin/policy-rc.d");
    await converge(sections({ ...DECLARED, 'hf-daemon': 'present' }));
    assert.equal((await host.sh(active)).trim(), 'inactive');
    await host.sh('rm /usr/sbin/policy-rc.d; apt-get purge -qq hf-daemon; systemctl daemon-reload');
    await converge(sections({ ...DECLARED, 'hf-daemon': 'present' }));
    assert.equal((await host.sh(active)).trim(), 'active');
    await converge(sections({ ...DECLARED, 'hf-daemon': { ensure: 'absent', purge: true } }));
    await converge(sections(DECLARED));
  });
});

describe('repositories', () => {
  const source = '/etc/apt/sources.list.d/main.sources';
  const keyring = '/etc/apt/keyrings/main.asc';
  const cases: readonly (Breakage & { readonly name: string })[] = [
    {
      name: 'its source is edited',
      by: `sed -i s/main/gone/ ${source}`,
      summary: /^write the source of the repository main/,
    },
    { name: 'its source is removed', by: `rm ${source}`, summary: /^write the source of the repository main/ },
    { name: 'its key is removed', by: `rm ${keyring}`, summary: /^write the key of the repository main/ },
    { name: 'its key is writable', by: `chmod 0666 ${keyring}`, summary: /^write the key of the repository main/ },
    {
      name: 'its source became a symlink',
      by: `mv ${source} /root/; ln -s /root/main.sources ${source}`,
      summary: /^write the source of the repository main/,
    },
  ];
  for (const one of cases) test(`${one.name}: found and healed`, () => heals({ ...one, resource: REPOSITORIES }));

  test('another key than the one that signs it is refused, and the old one stays', async () => {
    const before_ = await host.sh(`cat ${source} ${keyring}`);
    await agent.writeManifest(
      sections(DECLARED, { main: { uris: repositoryUri('main'), suites: './', key: otherKey } }),
    );
    const { code, result } = await agent.run();
    assert.equal(code, 1);
    assert.match(resourceOf(result, REPOSITORIES).error ?? '', /left as it was:[^]*put the present public key there/);
    assert.equal(await host.sh(`cat ${source} ${keyring}`), before_);
  });

  test('a repository that changed its key works again with the new one', async () => {
    await publish(host, 'main', 'second@example.org', [{ name: 'hf-new', version: '1.0' }]);
    const rotated = { main: { uris: repositoryUri('main'), suites: './', key: otherKey } };
    await converge(sections({ ...DECLARED, 'hf-new': 'present' }, rotated));
    assert.equal(await version('hf-new'), 'installed 1.0');
  });

  test('a repository that is not there is refused, and leaves nothing behind', async () => {
    const main = { uris: repositoryUri('main'), suites: './', key: otherKey };
    await agent.writeManifest(sections(DECLARED, { main, none: { uris: repositoryUri('none'), suites: './', key } }));
    const { result } = await agent.run();
    assert.match(resourceOf(result, REPOSITORIES).error ?? '', /the repository none does not work, so it was left/);
    await host.sh('test ! -e /etc/apt/sources.list.d/none.sources && test ! -e /etc/apt/keyrings/none.asc');
  });

  test('an absent one goes with its key', async () => {
    await converge({ repositories: { main: 'absent' } });
    await host.sh(`test ! -e ${source} && test ! -e ${keyring}`);
  });
});
