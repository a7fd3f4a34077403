import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Host, startHost } from '../hosts/host.ts';
import { AgentOnHost, resourceOf } from './agent-on-host.ts';
import { type Breakage, conformance } from './harness.ts';

/** A daemon of nothing, whose start and reload read files as real ones do. */
const UNITS = `
cat >/etc/systemd/system/web.service <<'UNIT'
[Service]
ExecStart=/bin/sleep infinity
ExecReload=/bin/true
[Install]
WantedBy=multi-user.target
UNIT
cat >/lib/systemd/system/other.service <<'UNIT'
[Service]
ExecStart=/bin/sleep infinity
[Install]
WantedBy=multi-user.target
UNIT
cat >/etc/systemd/system/patient.service <<'UNIT'
[Service]
ExecStart=/bin/sleep infinity
Restart=always
RestartSec=1h
[Install]
WantedBy=multi-user.target
UNIT
cp /lib/systemd/system/other.service /lib/systemd/system/unwanted.service
mkdir -p /etc/web.d; touch /etc/web.conf /etc/web.d/part
systemctl daemon-reload; systemctl enable --now unwanted.service 2>/dev/null`;

/** A host on which packages start nothing, as images are built. */
const POLICY = `printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d; chmod 0755 /usr/sbin/policy-rc.d
DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends cron >/dev/null`;

async function unitsAreRight(host: Host): Promise<void> {
  await host.sh('systemctl is-active web cron patient && systemctl is-enabled web cron patient');
  const others = await host.sh(`systemctl is-active unwanted other || true
    systemctl is-enabled unwanted other || true
    systemctl show --property=NeedDaemonReload --value web`);
  assert.deepEqual(others.trim().split('\n'), ['inactive', 'inactive', 'disabled', 'masked', 'no']);
}

function breakage(
  unit: string,
  name: string,
  by: string,
  summary: RegExp,
  hazard: 'none' | 'reload' | 'restart',
): Breakage {
  return { name, by, expect: { resource: `services/${unit}`, summary, hazard }, alsoCheck: unitsAreRight };
}

conformance({
  title: 'services that run, are stopped and are masked',
  sections: {
    services: {
      web: { restart_when_newer: ['/etc/web.conf'], reload_when_newer: ['/etc/web.d'] },
      cron: 'running',
      patient: 'running',
      unwanted: 'stopped',
      other: 'masked',
    },
  },
  prepare: `${UNITS}\n${POLICY}`,
  check: unitsAreRight,
  breakages: [
    breakage('web', 'it is stopped', 'systemctl stop web', /^start \(it is inactive\/dead\)$/, 'none'),
    breakage(
      'web',
      'it is killed',
      'systemctl kill --signal=KILL web; until systemctl is-failed web; do sleep 0.1; done',
      /^start \(it is failed\/failed, signal\)$/,
      'none',
    ),
    breakage(
      'patient',
      'it is killed, and systemd would start it again in an hour',
      'systemctl kill --signal=KILL patient; until [ "$(systemctl show --property=SubState --value patient)" = auto-restart ]; do sleep 0.1; done',
      /^start \(it is activating\/auto-restart, signal\)$/,
      'none',
    ),
    breakage(
      'web',
      'it failed so often that systemd refuses to start it',
      'for i in 1 2 3 4 5 6; do systemctl restart web || true; systemctl kill --signal=KILL web || true; until systemctl is-failed web; do sleep 0.1; done; done; ! systemctl start web',
      /^start \(it is failed\/failed, start-limit-hit\)$|^start \(it is failed/,
      'none',
    ),
    breakage('web', 'it is disabled', 'systemctl disable web', /^enable \(it is disabled\)$/, 'none'),
    breakage(
      'web',
      'its link for the boot is removed by hand',
      'rm /etc/systemd/system/multi-user.target.wants/web.service',
      /^enable \(it is disabled\)$/,
      'none',
    ),
    breakage(
      'web',
      'it is enabled until the next boot only',
      'systemctl disable web; systemctl enable --runtime web',
      /^enable \(it is enabled-runtime\)$/,
      'none',
    ),
    breakage(
      'cron',
      'it is masked while it runs',
      'systemctl mask cron',
      /^unmask \(it is masked, but declared running\)$/,
      'none',
    ),
    breakage('cron', 'it is masked and stopped', 'systemctl mask --now cron', /^start/, 'none'),
    breakage('cron', 'it is masked until the next boot', 'systemctl mask --runtime --now cron', /^unmask/, 'none'),
    breakage(
      'web',
      'a file that its start reads changes',
      'touch /etc/web.conf',
      /^restart \(it runs since before a change of \/etc\/web\.conf\)$/,
      'restart',
    ),
    breakage(
      'web',
      'that file changes and gets its old times back',
      'echo x >>/etc/web.conf; touch -d 2001-01-01 /etc/web.conf',
      /^restart/,
      'restart',
    ),
    breakage(
      'web',
      'a file that its reload reads changes',
      'echo x >>/etc/web.d/part',
      /^reload \(it has not read a change of \/etc\/web\.d\)$/,
      'reload',
    ),
    breakage('web', 'a file that its reload reads is new', 'touch /etc/web.d/new', /^reload/, 'reload'),
    breakage('web', 'its unit file changes', 'echo "# x" >>/etc/systemd/system/web.service', /^daemon-reload/, 'none'),
    breakage(
      'web',
      'its unit file changes and systemd is told, but it is not restarted',
      'echo "# x" >>/etc/systemd/system/web.service; systemctl daemon-reload',
      /^restart \(it runs since before a change of \/etc\/systemd\/system\/web\.service\)$/,
      'restart',
    ),
    breakage(
      'web',
      'it gets a drop-in',
      'mkdir /etc/systemd/system/web.service.d; printf "[Service]\\nNice=5\\n" >/etc/systemd/system/web.service.d/nice.conf',
      /^restart .*web\.service\.d/,
      'restart',
    ),
    breakage(
      'web',
      'its drop-in is removed',
      'rm -r /etc/systemd/system/web.service.d',
      /^restart .*nice\.conf/,
      'restart',
    ),
    breakage(
      'web',
      'systemd itself is re-executed and it is stopped',
      'systemctl daemon-reexec; systemctl stop web',
      /^start/,
      'none',
    ),
    breakage('unwanted', 'it is started', 'systemctl start unwanted', /^stop \(it is active\/running\)$/, 'restart'),
    breakage('unwanted', 'it is enabled', 'systemctl enable unwanted', /^disable \(it is enabled\)$/, 'none'),
    breakage('other', 'it is unmasked and started', 'systemctl unmask other; systemctl start other', /^mask/, 'none'),
  ],
});

test('what cannot run is an error that says why', async (t) => {
  await using host = await startHost();
  const agent = await AgentOnHost.install(host);
  await host.sh(`printf '[Service]\\nType=oneshot\\nExecStart=/bin/sh -c "echo the disk is on fire; exit 3"\\n' >/etc/systemd/system/fails.service
    printf '[Service]\\nExecStart=/bin/false\\n' >/etc/systemd/system/ends.service
    printf '[Service]\\nExecStart=/bin/sleep infinity\\n' >/etc/systemd/system/plain.service
    printf '[Service]\\nType=oneshot\\nExecStart=/bin/sleep infinity\\nTimeoutStartSec=infinity\\n' >/etc/systemd/system/slow.service
    systemctl daemon-reload`);
  const cases: readonly [string, object, RegExp][] = [
    ['nowhere', {}, /there is no unit nowhere\.service on this host: declare the package/],
    ['fails', {}, /start of fails\.service failed: exit-code \(it is failed\/failed\)[^]*the disk is on fire/],
    ['ends', {}, /ends\.service started and ended at once: it is failed\/failed, exit-code/],
    ['slow', { timeout: '2s' }, /start of slow\.service failed: the job did not end within 2 s/],
  ];
  for (const [unit, entry, error] of cases) {
    await t.test(unit, async () => {
      await agent.writeManifest({ services: { [unit]: entry } });
      const { code, result } = await agent.run();
      assert.equal(code, 1);
      assert.match(resourceOf(result, `services/${unit}`).error ?? '', error);
    });
  }
  await t.test('a unit without [Install] runs and counts as enabled', async () => {
    await agent.writeManifest({ services: { plain: 'running' } });
    const { code, result } = await agent.run();
    assert.equal(code, 0, resourceOf(result, 'services/plain').error);
  });
});
