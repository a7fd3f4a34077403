import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Secret } from '../../desired-state/schema/secret.ts';
import { type Host, startHost } from '../hosts/host.ts';
import { AgentOnHost, resourceOf } from './agent-on-host.ts';
import { type Breakage, conformance } from './harness.ts';

const INSTALL = `DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends supervisor >/dev/null
until supervisorctl pid >/dev/null 2>&1; do sleep 0.1; done
useradd --system runner`;

/** Every value that supervisor's own quoting cannot carry, and some that it can. */
const AWKWARD: Readonly<Record<string, string>> = {
  BOTH_QUOTES: `it's "both"`,
  LINES: 'a\nb\n',
  PERCENT: '50% off %(x)s',
  COMMENT: 'semi ; colon # hash',
  COMMA: 'a,b=c',
  UNICODE: 'ünïcode',
  QUOTE_FIRST: '"q',
  EMPTY: '',
  BACKSLASH: '\\0101\\',
};
const PASSWORD = `s3cret; # "'%`;

const programs = {
  web: {
    command: '/bin/sleep 1001',
    user: 'runner',
    environment: { ...AWKWARD, PASSWORD: new Secret(PASSWORD) },
    startsecs: 0,
  },
  pair: { command: '/bin/sleep 1002', numprocs: 2, startsecs: 0 },
  idle: { command: '/bin/sleep 1003', ensure: 'stopped' },
  old: 'absent',
};
const sections = { supervisor: { programs, groups: { apps: { programs: ['pair'] } }, purge: true } };

async function pidOf(host: Host, name: string): Promise<string> {
  return (await host.sh(`supervisorctl pid ${name}`)).trim();
}

async function programsRun(host: Host): Promise<void> {
  const status = await host.sh('supervisorctl status || true');
  const states = status
    .trim()
    .split('\n')
    .map((line) => line.split(/\s+/).slice(0, 2).join(' '));
  assert.deepEqual(states, ['apps:pair_00 RUNNING', 'apps:pair_01 RUNNING', 'idle STOPPED', 'web RUNNING']);
  assert.equal((await host.sh('stat -c %a:%U /etc/supervisor/conf.d/web.conf')).trim(), '600:root');
}

async function environmentIsExact(host: Host): Promise<void> {
  await programsRun(host);
  const pid = await pidOf(host, 'web');
  const text = await host.sh(`cat /proc/${pid}/environ`);
  const pairs = new Map(text.split('\0').map((pair) => [pair.split('=', 1)[0], pair.slice(pair.indexOf('=') + 1)]));
  for (const [name, value] of Object.entries({ ...AWKWARD, PASSWORD })) assert.equal(pairs.get(name), value, name);
  assert.equal((await host.sh(`tr '\\0' ' ' </proc/${pid}/cmdline`)).trim(), '/bin/sleep 1001');
  assert.equal((await host.sh(`stat -c %U /proc/${pid}`)).trim(), 'runner');
}

function breakage(name: string, by: string, summary: RegExp, hazard: 'none' | 'restart'): Breakage {
  return { name, by, expect: { resource: 'supervisor/supervisor', summary, hazard }, alsoCheck: programsRun };
}

const CONF = '/etc/supervisor/conf.d';

conformance({
  title: 'supervisor with programs, a group and awkward environments',
  sections,
  prepare: `${INSTALL}\nprintf '[program:old]\\ncommand=/bin/sleep 9\\n' >${CONF}/old.conf; supervisorctl update >/dev/null`,
  check: environmentIsExact,
  breakages: [
    breakage('a program is stopped by hand', 'supervisorctl stop web', /^start web \(is STOPPED\)/, 'none'),
    breakage('a stopped program is started by hand', 'supervisorctl start idle', /^stop idle/, 'restart'),
    breakage(
      'a file is edited and nothing is told',
      `sed -i s/1001/1009/ ${CONF}/web.conf`,
      /rewrite web\.conf; run web with its new configuration/,
      'restart',
    ),
    breakage(
      'a file is edited and supervisor runs it',
      `sed -i s/1001/1009/ ${CONF}/web.conf; supervisorctl update >/dev/null`,
      /rewrite web\.conf/,
      'restart',
    ),
    breakage(
      'only a limit is edited',
      `sed -i s/^stopwaitsecs=10/stopwaitsecs=11/ ${CONF}/pair.conf`,
      /rewrite pair\.conf; run apps/,
      'restart',
    ),
    breakage('a file is deleted', `rm ${CONF}/web.conf`, /create web\.conf/, 'restart'),
    breakage(
      'a file is readable for all',
      `chmod 644 ${CONF}/web.conf`,
      /set mode 0600 of web\.conf \(is 0644\)/,
      'none',
    ),
    breakage('a file belongs to another', `chown runner ${CONF}/web.conf`, /set owner 0:0 of web\.conf/, 'none'),
    breakage(
      'a program is put there by hand',
      `printf '[program:x]\\ncommand=/bin/sleep 8\\n' >${CONF}/x.conf; supervisorctl update`,
      /remove x\.conf; stop x/,
      'restart',
    ),
    breakage('a file that nobody can parse is put there', `echo garbage >${CONF}/zz.conf`, /remove zz\.conf/, 'none'),
    breakage('a file of ours cannot be parsed', `echo garbage >${CONF}/pair.conf`, /rewrite pair\.conf/, 'restart'),
    breakage(
      'a group is removed from the running supervisor',
      'supervisorctl stop web; supervisorctl remove web',
      /run web with its new configuration/,
      'none',
    ),
    breakage(
      'a declared absence is broken',
      `printf '[program:old]\\ncommand=/bin/sleep 9\\n' >${CONF}/old.conf; supervisorctl update`,
      /remove old\.conf; stop old/,
      'restart',
    ),
    breakage(
      'the group file is gone',
      `rm ${CONF}/group-apps.conf; supervisorctl update`,
      /create group-apps\.conf/,
      'restart',
    ),
    breakage('supervisor is stopped', 'systemctl stop supervisor', /^start supervisord/, 'restart'),
    breakage('the socket is deleted', 'rm /run/supervisor.sock', /^start supervisord/, 'restart'),
    breakage(
      'supervisord is killed',
      'systemctl kill -s KILL supervisor; pkill -x sleep || true; rm -f /run/supervisor.sock',
      /^start supervisord/,
      'restart',
    ),
  ],
});

void test('supervisor: what is refused and what is owed', async (t) => {
  await using host = await startHost();
  const agent = await AgentOnHost.install(host);
  await host.sh(INSTALL);
  const web = { command: '/bin/sleep 1001', startsecs: 1 };
  await agent.writeManifest({ supervisor: { programs: { web } } });
  assert.equal((await agent.run()).code, 0);

  await t.test('a program that does not stay up is an error with its log, and the one before runs again', async () => {
    const bad = { command: `/bin/sh -c 'echo the reason; exit 3'`, startretries: 1, startsecs: 1 };
    await agent.writeManifest({ supervisor: { programs: { web: bad } } });
    const { code, result } = await agent.run();
    assert.equal(code, 1);
    const error = resourceOf(result, 'supervisor/supervisor').error ?? '';
    assert.match(error, /the previous configuration is back and runs/);
    assert.match(error, /the reason/);
    const pid = await pidOf(host, 'web');
    assert.equal((await host.sh(`tr '\\0' ' ' </proc/${pid}/cmdline`)).trim(), '/bin/sleep 1001');
  });

  await t.test('what supervisor would not read never reaches its directory', async () => {
    const before = await pidOf(host, 'web');
    await agent.writeManifest({ supervisor: { programs: { web: { ...web, user: 'nobody-here' } } } });
    const { result } = await agent.run();
    const found = resourceOf(result, 'supervisor/supervisor');
    assert.equal(found.status, 'stalled');
    assert.match(found.error ?? '', /Invalid user name nobody-here.*web\.conf/);
    assert.equal(await pidOf(host, 'web'), before);
    await host.sh(`! grep -q nobody-here ${CONF}/web.conf`);
  });

  await t.test('a broken file of somebody else is named with its line, and ours goes on', async () => {
    await agent.writeManifest({ supervisor: { programs: { web } } });
    await host.sh(`printf '; a comment\\nhunter2\\n' >${CONF}/other.conf`);
    const found = resourceOf((await agent.run()).result, 'supervisor/supervisor');
    assert.equal(found.status, 'stalled');
    assert.match(found.error ?? '', /other\.conf', line: 2/);
    assert.doesNotMatch(JSON.stringify(found), /hunter2/);
    await host.sh(`rm ${CONF}/other.conf`);
    assert.equal((await agent.run()).code, 0);
  });

  await t.test('a restart that is owed survives the run that wrote the file', async () => {
    const before = await pidOf(host, 'web');
    // What a run leaves behind that was killed between the write and the restart.
    await agent.writeManifest({ supervisor: { programs: { web: { ...web, command: '/bin/sleep 1007' } } } });
    await host.sh(`sed -i 's/1001/1007/' ${CONF}/web.conf`);
    const { result } = await agent.plan();
    const summaries = resourceOf(result, 'supervisor/supervisor').changes.map((change) => change.summary);
    assert.deepEqual(summaries, ['run web with its new configuration']);
    assert.equal((await agent.run()).code, 0);
    assert.notEqual(await pidOf(host, 'web'), before);
    assert.equal((await agent.plan()).code, 0);
  });

  await t.test('an unchanged program keeps its process when another one changes', async () => {
    const programsBefore = {
      web: { ...web, command: '/bin/sleep 1007' },
      more: { command: '/bin/sleep 1010', startsecs: 0 },
    };
    const before = await pidOf(host, 'web');
    await agent.writeManifest({ supervisor: { programs: programsBefore } });
    assert.equal((await agent.run()).code, 0);
    assert.equal(await pidOf(host, 'web'), before);
  });
});
