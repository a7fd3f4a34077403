import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Host, startHost } from '../hosts/host.ts';
import { AgentOnHost, resourceOf } from './agent-on-host.ts';
import { type Breakage, conformance } from './harness.ts';

/** Swap of a container is the machine's: the file is small, and is turned off again whatever happens. */
const FILE = '/srv/swap/file';
const TURN_OFF = `swapoff ${FILE} || true`;

async function swapIsRight(host: Host): Promise<void> {
  await host.sh(`test "$(stat -c '%s %a %U' ${FILE})" = '16777216 600 root'
    grep -qE '^${FILE} +file +16380 +[0-9]+ +7$' <(tr '\\t' ' ' </proc/swaps)
    test "$(grep -c '${FILE}' /etc/fstab)" = 1; grep -qx '${FILE} none swap sw,pri=7 0 0' /etc/fstab
    grep -q '^# by hand' /etc/fstab; test "$(ls -A /srv/swap)" = file`);
}

function breakage(name: string, by: string, summary: RegExp, hazard: 'none' | 'destructive' = 'none'): Breakage {
  return { name, by, expect: { resource: `swap/${FILE}`, summary, hazard }, alsoCheck: swapIsRight };
}

const SECTION = { [FILE]: { size: '16M', priority: 7, containers: 'manage' } };

conformance({
  title: 'a swap file',
  sections: { swap: SECTION },
  host: { volumes: ['/srv/swap'] },
  prepare: "echo '# by hand' >>/etc/fstab",
  finish: TURN_OFF,
  check: swapIsRight,
  breakages: [
    breakage('it is turned off', `swapoff ${FILE}`, /^turn on$/),
    breakage(
      'it has another priority',
      `swapoff ${FILE}; swapon --priority 3 ${FILE}`,
      /^turn off \(its priority is 3 and not 7\)$/,
    ),
    breakage('everybody can read it', `chmod 0644 ${FILE}`, /^set mode 0600 \(is 0644\)$/),
    breakage('its line in fstab is gone', `sed -i '\\#${FILE}#d' /etc/fstab`, /^write \/etc\/fstab$/),
    breakage('its line in fstab is off', `sed -i 's#sw,pri=7#noauto#' /etc/fstab`, /^write \/etc\/fstab$/),
    breakage('it has two lines in fstab', `echo '${FILE} none swap sw 0 0' >>/etc/fstab`, /^write \/etc\/fstab$/),
    breakage('it is off and gone', `swapoff ${FILE}; rm ${FILE}`, /^make a swap file of 16 MiB$/),
    breakage(
      'it has another size',
      `swapoff ${FILE}; dd if=/dev/zero of=${FILE} bs=1M count=8 status=none; mkswap ${FILE}; swapon ${FILE}`,
      /^make a swap file of 16 MiB \(is 8 MiB\)$/,
    ),
    breakage(
      'it is off and holds something else',
      `swapoff ${FILE}; head -c 16M /dev/zero | tr '\\0' x >${FILE}`,
      /in place of a file that is no swap area$/,
      'destructive',
    ),
    breakage(
      'a run was killed while it was made',
      `touch ${FILE}.holdfast`,
      /^remove .*\.holdfast, which an interrupted run left$/,
    ),
  ],
});

test('a swap file that is declared absent is turned off and removed', async () => {
  await using host = await startHost({ volumes: ['/srv/swap'] });
  await using _ = { [Symbol.asyncDispose]: () => host.sh(TURN_OFF).then(() => undefined) };
  const agent = await AgentOnHost.install(host);
  await agent.writeManifest({ swap: SECTION });
  assert.equal((await agent.run()).code, 0);
  await agent.writeManifest({ swap: { [FILE]: { ensure: 'absent', containers: 'manage' } } });
  assert.equal((await agent.run()).code, 0);
  await host.sh(`test ! -e ${FILE}; ! grep -q ${FILE} /etc/fstab; ! grep -q ${FILE} /proc/swaps`);
});

test('what cannot be made is an error, and what does not apply is left alone', async (t) => {
  await using host = await startHost({ volumes: ['/srv/swap'] });
  const agent = await AgentOnHost.install(host);
  const errors: readonly [string, string, object, RegExp][] = [
    [
      'a file that does not fit',
      ':',
      { size: '900000G', containers: 'manage' },
      /does not fit: \/srv\/swap has \d+ MiB free/,
    ],
    [
      'a folder in the way',
      `mkdir ${FILE}`,
      { size: '16M', containers: 'manage' },
      /a directory stands at \/srv\/swap\/file/,
    ],
  ];
  for (const [name, by, entry, error] of errors) {
    await t.test(name, async () => {
      await host.sh(by);
      await agent.writeManifest({ swap: { [FILE]: entry } });
      const { code, result } = await agent.run();
      assert.equal(code, 1);
      assert.match(resourceOf(result, `swap/${FILE}`).error ?? '', error);
    });
  }
  const exempt: readonly [string, object][] = [
    ['a container', { size: '16M' }],
    ['a host with memory enough', { size: '16M', when_memory_below: '1M', containers: 'manage' }],
  ];
  await host.sh(`rmdir ${FILE}`);
  for (const [name, entry] of exempt) {
    await t.test(name, async () => {
      await agent.writeManifest({ swap: { [FILE]: entry } });
      const { code, result } = await agent.run();
      assert.equal(code, 0);
      assert.equal(resourceOf(result, `swap/${FILE}`).status, 'converged');
      await host.sh(`test ! -e ${FILE}`);
    });
  }
});
