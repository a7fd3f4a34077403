import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startHost } from '../hosts/host.ts';
import { captureStatsd } from '../hosts/statsd.ts';
import { DaemonOnHost, poll } from './daemon-on-host.ts';

const MOTD = '/etc/motd';
const sections = {
  files: { [MOTD]: { content: 'kept by holdfast\n' }, '/etc/holdfast-test.conf': { content: 'a = 1\n', mode: '0600' } },
  directories: { '/srv/app': {} },
};

test('the daemon under systemd, without a controller', async (t) => {
  await using host = await startHost({ name: 'web-1' });
  const daemon = await DaemonOnHost.install(host, { statsd: 'on' });
  const statsd = await captureStatsd(host);
  await daemon.agent.writeManifest(sections, { revision: 'rev-1' });

  await t.test('it starts as Type=notify with its watchdog fed, and converges the host', async () => {
    await daemon.start();
    assert.equal(await daemon.property('ActiveState'), 'active');
    assert.equal(await daemon.property('Type'), 'notify');
    const status = await daemon.until('converged', ({ verdict }) => verdict === 'converged');
    assert.equal(status.revision.running, 'rev-1');
    assert.equal(await host.readFile(MOTD), 'kept by holdfast\n');
    assert.match(await daemon.property('StatusText'), /^converged, 3 resources, revision rev-1/);
    assert.equal(await daemon.property('WatchdogUSec'), '2min');
  });

  await t.test('an edit by hand is healed within about a second', async () => {
    const before = (await daemon.status()).run.last?.started_ms ?? 0;
    const took_ms = await host.sh(`
      begin=$(date +%s%3N); echo 'by hand' > ${MOTD}
      until [ "$(cat ${MOTD})" = 'kept by holdfast' ]; do sleep 0.01; done
      echo $(( $(date +%s%3N) - begin ))`);
    assert.ok(Number(took_ms) < 1500, `healed after ${took_ms} ms`);
    t.diagnostic(`healed after ${took_ms.trim()} ms`);
    const status = await daemon.until('a run by the watch', ({ run }) => (run.last?.started_ms ?? 0) > before);
    const motd = status.resources.find(({ name }) => name === MOTD);
    assert.equal(motd?.lastChange?.cause, 'corrective');
    assert.match(motd?.lastChange?.changes[0]?.diff ?? '', /^-by hand$/m);
    const text = await host.mustExec(['holdfast-agent', 'status', '--diff']);
    assert.match(text, /^state +converged$/m);
    assert.match(text, /files\/\/etc\/motd/);
    assert.match(text, /-by hand/);
    assert.match(await daemon.journal(), /files\/\/etc\/motd: .*\(drift\)/);
  });

  await t.test('a file that was removed with its folder comes back', async () => {
    await host.sh('rm -r /srv/app');
    assert.equal(
      await poll(async () => ((await host.exec(['test', '-d', '/srv/app'])).code === 0 ? true : undefined)),
      true,
    );
  });

  await t.test('drift and repair arrive at DogStatsD: metrics, events, checks, no tag host', async () => {
    const lines = await poll(async () => {
      const all = (await statsd.datagrams()).flatMap(({ text }) => text.split('\n'));
      const wanted = ['holdfast.repairs:', '_e{', '_sc|holdfast.host.converged|0', 'holdfast.agent.rss:'];
      return wanted.every((start) => all.some((line) => line.startsWith(start))) ? all : undefined;
    });
    assert.ok(lines !== undefined, 'not all has arrived');
    assert.ok(lines.some((line) => line.startsWith('holdfast.drift.found:1|c|#kind:files')));
    const event = lines.find((line) => line.startsWith('_e{') && line.includes('/etc/motd repaired')) ?? '';
    assert.match(event, /^_e\{\d+,\d+\}:files\/\/etc\/motd repaired\|/);
    const [, titleLength, textLength, rest = ''] = /^_e\{(\d+),(\d+)\}:(.*)$/s.exec(event) ?? [];
    const body = Buffer.from(rest);
    assert.equal(body.subarray(Number(titleLength), Number(titleLength) + 1).toString(), '|');
    assert.match(body.subarray(Number(titleLength) + Number(textLength) + 1).toString(), /^(\||$)/);
    for (const line of lines) assert.doesNotMatch(line, /[#,]host:/);
  });

  await t.test('the status page answers on the loopback interface, and changes nothing', async () => {
    const get = (path: string, ...more: string[]): Promise<string> =>
      host.mustExec([
        'curl',
        '--silent',
        '--show-error',
        '--write-out',
        '\n%{http_code}',
        ...more,
        `http://127.0.0.1:9475${path}`,
      ]);
    assert.equal(await get('/healthz'), 'ok\n\n200');
    assert.match(await get('/status'), /"verdict": "converged"/);
    const metrics = await get('/metrics');
    assert.match(metrics, /^holdfast_resources\{kind="files",status="converged"\} 2$/m);
    assert.match(metrics, /\n# EOF\n\n200$/);
    assert.match(await get('/pause', '--request', 'POST', '--data', '{"for_ms":3600000,"why":"x","by":"x"}'), /405$/);
    assert.match(await get('/status', '--header', 'Host: evil.example'), /421$/);
    const listening = await host.sh("ss -Hltn 'sport = :9475' | awk '{print $4}'");
    assert.equal(listening.trim(), '127.0.0.1:9475');
    assert.equal((await host.sh('stat -c "%a %U" /run/holdfast/agent.sock')).trim(), '600 root');
  });

  await t.test('any user may look, and only root may pause', async () => {
    const look = await host.exec(['holdfast-agent', 'status'], { user: 'nobody' });
    assert.equal(look.code, 0, look.stderr);
    const pause = await host.exec(['holdfast-agent', 'pause', '--for', '1h', '--why', 'x'], { user: 'nobody' });
    assert.equal(pause.code, 1);
    assert.match(pause.stderr, /only root/);
  });

  await t.test('paused, drift is reported and left alone, also after a restart; resume repairs it', async () => {
    await host.mustExec(['holdfast-agent', 'pause', '--for', '1h', '--why', 'a look at the disk'], {
      env: { SUDO_USER: 'anna' },
    });
    await host.sh(`echo 'in maintenance' > ${MOTD}`);
    await daemon.until('drifted', ({ verdict }) => verdict === 'differs');
    await host.mustExec(['systemctl', 'restart', 'holdfast-agent']);
    const status = await daemon.until('drifted after the restart', ({ verdict }) => verdict === 'differs');
    assert.equal(status.pause?.by, 'anna');
    assert.equal(await host.readFile(MOTD), 'in maintenance\n');
    assert.equal((await host.exec(['holdfast-agent', 'status'])).code, 1);
    await host.mustExec(['holdfast-agent', 'resume']);
    await daemon.until('converged again', ({ verdict }) => verdict === 'converged');
    assert.equal(await host.readFile(MOTD), 'kept by holdfast\n');
  });

  await t.test('killed with -9, systemd starts it again and it goes on from its cache', async () => {
    const before = await daemon.property('MainPID');
    await host.sh(`kill -9 ${before}; echo 'by hand' > ${MOTD}`);
    await daemon.until(
      'another process, converged',
      ({ pid, verdict }) => String(pid) !== before && verdict === 'converged',
    );
    assert.equal(await host.readFile(MOTD), 'kept by holdfast\n');
    assert.equal(await daemon.property('NRestarts'), '1');
  });

  await t.test('an agent that hangs is killed by the watchdog and started again', async () => {
    await host.sh(`mkdir -p /etc/systemd/system/holdfast-agent.service.d
      printf '[Service]\\nWatchdogSec=2\\n' > /etc/systemd/system/holdfast-agent.service.d/test.conf
      systemctl daemon-reload; systemctl restart holdfast-agent`);
    const before = await daemon.property('MainPID');
    await daemon.until('running', ({ verdict }) => verdict === 'converged');
    await host.mustExec(['kill', '-STOP', before]);
    const { pid } = await daemon.until('another process', (status) => String(status.pid) !== before);
    assert.notEqual(String(pid), before);
    assert.match(await host.mustExec(['journalctl', '--no-pager', '-u', 'holdfast-agent']), /[Ww]atchdog timeout/);
  });

  await t.test('stopped, the command line says so with exit code 3', async () => {
    await host.mustExec(['systemctl', 'stop', 'holdfast-agent']);
    const { code, stderr } = await host.exec(['holdfast-agent', 'status']);
    assert.equal(code, 3);
    assert.match(stderr, /systemctl start holdfast-agent/);
    assert.equal(await daemon.property('Result'), 'success');
  });

  await t.test('a wrong configuration is said once, and not tried again and again', async () => {
    await host.writeFile('/etc/holdfast/agent.json', '{"controler": "https://x"}');
    await host.exec(['systemctl', 'start', 'holdfast-agent']);
    const journal = await poll(async () => {
      const text = await daemon.journal();
      return text.includes('controler: unknown key') ? text : undefined;
    });
    assert.match(
      journal ?? '',
      /\/etc\/holdfast\/agent\.json: controler: unknown key, expected one of controller, host/,
    );
    assert.equal(await daemon.property('ActiveState'), 'failed');
  });
});
