import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mock, test } from 'node:test';
import { Client } from '../../../../controller/cli/client.ts';
import { COMMANDS } from '../../../../controller/cli/commands.ts';
import { openApi } from '../../../../controller/openapi.ts';
import { until } from '../bench.ts';
import { CONVERGED, cli, LiveController, REPAIRED } from './controller.ts';

test('every command does what it does by routes that are described, as a table and as JSON', async (context) => {
  const live = await LiveController.start(context);
  const asked = mock.method(Client.prototype, 'ask');
  context.after(() => mock.restoreAll());
  const [web, db] = [await live.operator.enroll('web-1'), await live.operator.enroll('db-1')];
  await live.report(db, [{ ...CONVERGED, name: 'postgresql' }]);
  await live.report(web, [CONVERGED, REPAIRED]);
  await until('kept', async () => (await live.run('runs', '--json')).out.includes('web-1'));
  const { runs } = JSON.parse((await live.run('runs', 'web-1', '--json')).out);
  const token = JSON.parse((await live.run('token', 'create', 'bob', '--role', 'read', '--json')).out);
  const { certificates } = JSON.parse((await live.run('host', 'certificates', '--json')).out);
  const fingerprint = certificates.find(({ host }: { host: string }) => host === 'db-1').fingerprint;
  const tree = join(live.repository.path, 'desired-state');
  const cases: readonly (readonly [args: readonly string[], out: RegExp])[] = [
    [['status'], /^revision [0-9a-f]{12} is served for \d+/],
    [['hosts'], /^HOST +STATE +ENVIRONMENT +ROLES +REVISION +SEEN +WHY\n.*\nweb-1 +converged +dev +web/],
    [['host', 'show', 'web-1', '--diff'], /changed files\/\/etc\/motd \(repaired\)\n {2}content\n {4}-by hand/],
    [['runs', '--limit', '1'], /^ID +HOST +WHEN.*\n *\d+ +web-1/],
    [['run', String(runs[0].id)], /run \d+ on web-1, .*: changed\n.*\nchanged files\/\/etc\/motd/],
    [['logs', '--diff'], /web-1 changed files\/\/etc\/motd \(repaired\)\n {2}content\n {4}-by hand\n {4}\+by git\n$/],
    [['plan', tree], /^db-1, web-1: nothing\n/],
    [['diff', await live.repository.git('rev-parse', 'HEAD')], /^db-1, web-1: nothing\n/],
    [['rollout', 'list'], /^ID +REVISION +STATE/],
    [['rollout', 'status', '--all'], /^rollout 1 of revision [0-9a-f]{12} is done/],
    [['pause', 'web-1', '--why', 'looking'], /web-1 is paused until/],
    [['resume', 'web-1'], /web-1 goes on/],
    [['host', 'certificates', 'web-1'], /^HOST +FINGERPRINT.*\nweb-1 +[0-9a-f]{16} /],
    [['host', 'revoke', fingerprint.slice(0, 16), '--why', 'stolen'], /is revoked/],
    [['revisions'], /^REVISION +STATE.*\n[0-9a-f]{12} +good/],
    [['refresh'], /is served; 0 hosts with another manifest/],
    [['audit', '--subject', 'web-1'], /pause +web-1/],
    [['token', 'create', 'ann', '--role', 'deploy', '--valid-for', '1d'], /^hf_[0-9a-f]{12}_[\w-]{43}\n$/],
    [['token', 'list'], /^ID +NAME +ROLE/],
    [['token', 'revoke', token.id], /of bob is revoked/],
    [['token', 'join', '--host', 'web-1'], /^hfj_/],
    [
      ['login', live.url, '--ca-file', join(live.state, 'ca.crt'), '--token-file', join(live.state, 'admin.token')],
      /is remembered/,
    ],
  ];
  const orders = ['rollout resume', 'rollout pause', 'rollout abort'];
  for (const [args, out] of cases) {
    const before = asked.mock.callCount();
    const text = await live.run(...args);
    assert.match(text.out, out, `${args.join(' ')}: ${text.err}`);
    assert.ok(asked.mock.callCount() > before, `${args.join(' ')} asks the controller nothing`);
    if (['resume', 'host revoke', 'token revoke'].some((name) => args.join(' ').startsWith(name))) continue;
    const json = await live.run(...args, '--json');
    assert.doesNotThrow(() => JSON.parse(json.out), `${args.join(' ')} --json: ${json.err}`);
  }
  for (const name of orders) {
    const refused = await live.run(...name.split(' '));
    assert.equal(refused.code, 1);
    assert.match(refused.err, /^holdfast: .*rollout/, name);
  }
  const tried = new Set([...cases.map(([args]) => args.join(' ')), ...orders]);
  for (const command of COMMANDS) {
    if ('own' in command || !command.online) continue;
    const is = (given: string): boolean => given === command.name || given.startsWith(`${command.name} `);
    assert.ok([...tried].some(is), `${command.name} is not tried`);
  }
  const described = new Set(
    Object.entries(openApi.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    ),
  );
  for (const {
    arguments: [route],
  } of asked.mock.calls)
    assert.ok(described.has(route), route);
});

test('status says what is wrong, and exits with 1 until every host is what it should be', async (context) => {
  const live = await LiveController.start(context);
  const never = await live.run('status');
  assert.equal(never.code, 1);
  assert.match(never.out, /2 hosts: 2 never-seen\n\nHOST +STATE/);
  const hosts = [await live.operator.enroll('web-1'), await live.operator.enroll('db-1')];
  for (const host of hosts) await live.report(host, [CONVERGED]);
  const good = await live.run('status');
  assert.deepEqual([good.code, good.err], [0, '']);
  assert.match(good.out, /2 hosts: 2 converged\n$/);
  const revision = await live.repository.commit({ 'roles/web.yaml': 'pakages: {}\n' });
  assert.equal((await live.run('refresh')).code, 1);
  const broken = await live.run('status');
  assert.equal(broken.code, 1);
  assert.match(broken.out, new RegExp(`revision ${revision.slice(0, 12)} is refused`));
  assert.match(broken.out, /desired-state\/roles\/web.yaml:1:1 unknown key "pakages", did you mean "packages"\?/);
  const revisions = await live.run('revisions');
  assert.match(revisions.out, new RegExp(`${revision.slice(0, 12)} +refused.*unknown key`));
});

test('a rollout that fails is shown, resumed, paused and aborted', async (context) => {
  const live = await LiveController.start(context);
  const [web, second] = [await live.operator.enroll('web-1'), await live.operator.enroll('db-1')];
  const canary = 'rollout: { canary: 1, hold: 0s }\n';
  await live.repository.commit({
    'roles/web.yaml': `services:\n  nginx: running\n${canary}`,
    'hosts/web-2.yaml': 'environment: dev\nroles: [web]\naddress: 10.0.0.16\n',
  });
  await live.run('refresh');
  for (const host of [web, second]) await live.report(host, [CONVERGED]);
  await live.repository.commit({ 'roles/web.yaml': `services:\n  nginx: stopped\n${canary}` });
  await live.run('refresh');
  const paused = await live.run('rollout', 'pause', '--why', 'lunch');
  assert.deepEqual([paused.code, paused.err], [0, '']);
  const shown = await live.run('rollout', 'status');
  assert.match(shown.out, /is paused: .*lunch[\s\S]*dev\/web: wave 1 of 2\n[\s\S]*holdfast rollout resume/);
  assert.equal((await live.run('rollout', 'status')).code, 1);
  assert.match((await live.run('rollout', 'resume')).out, /is running/);
  await live.report(web, [{ ...CONVERGED, status: 'failed', error: 'no space left' }]);
  await until('paused', async () => (await live.run('rollout', 'status')).code === 1);
  assert.match((await live.run('rollout', 'status')).out, /web-1 .*failed.*no space left/);
  const aborted = await live.run('rollout', 'abort', '--rollback', '--why', 'it is broken');
  assert.match(aborted.out, /^rollout \d+ of revision [0-9a-f]{12} is /);
  const audit = await live.run('audit', '--action', 'rollout.abort', '--json');
  assert.equal(JSON.parse(audit.out).audit[0].detail.why, 'it is broken');
  assert.equal(JSON.parse(audit.out).audit[0].detail.rollback, true);
});

test('a push that was refused is listed with who, when and why; what it would do, nobody knows any more', async (context) => {
  const live = await LiveController.start(context, 'hosting');
  const good = await live.repository.git('rev-parse', 'HEAD');
  const revision = await live.repository.commit({ 'roles/web.yaml': 'pakages: {}\nservces: {}\n' });
  assert.match(await live.push(), /unknown key "pakages"/);
  const listed = await live.run('revisions');
  assert.deepEqual([listed.code, listed.err], [0, '']);
  const [titles, first, second] = listed.out.split('\n');
  assert.match(titles ?? '', /^REVISION +STATE +WHEN +BY +SUBJECT +WHY$/);
  const why = 'desired-state/roles/web.yaml:1:1 unknown key "pakages", did you mean "packages"? (and 1 more)';
  assert.match(
    first ?? '',
    new RegExp(`^${revision.slice(0, 12)} +refused +\\S.* +token:\\S+ +test +${literally(why)}$`),
  );
  assert.match(second ?? '', new RegExp(`^${good.slice(0, 12)} +good +\\S.* +token:\\S+ +test +-$`));
  const [kept] = JSON.parse((await live.run('revisions', '--limit', '1', '--json')).out).revisions;
  assert.deepEqual([kept.revision, kept.state, kept.issues.length], [revision, 'refused', 2]);
  assert.equal(kept.issues[0].text, why.replace(' (and 1 more)', ''));
  const diff = await live.run('diff', revision.slice(0, 12));
  assert.equal(diff.code, 1);
  assert.match(diff.err, /does not know the revision .*: git push CONTROLLER \w+:preview\/NAME/);
});

function literally(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

test('a plan of the working tree shows what would change, and every issue where it is broken', async (context) => {
  const live = await LiveController.start(context);
  const tree = join(live.repository.path, 'desired-state');
  await writeFile(join(tree, 'roles/web.yaml'), 'services:\n  nginx: stopped\n');
  const plan = await live.run('plan', tree, '--diff');
  assert.equal(plan.code, 0, plan.err);
  assert.match(plan.out, /^web-1: /);
  assert.match(plan.out, /\nweb-1: services\/nginx: /);
  await writeFile(join(tree, 'roles/web.yaml'), 'pakages: {}\n');
  const broken = await live.run('plan', tree);
  assert.deepEqual([broken.code, broken.err], [1, '']);
  assert.match(broken.out, /^desired-state\/roles\/web.yaml:1:1 unknown key "pakages", did you mean "packages"\?\n$/);
  const short = (await live.repository.git('rev-parse', 'HEAD')).slice(0, 8);
  await live.run('refresh');
  assert.match((await live.run('diff', short)).out, /nothing/);
  const unknown = await live.run('diff', 'f'.repeat(40));
  assert.equal(unknown.code, 1);
  assert.match(unknown.err, /does not know the revision f{40}; .*git push CONTROLLER/);
  assert.match((await live.run('diff', 'no-such-branch')).err, /neither git here nor the controller knows/);
});

test('tables are cut to the terminal, colours are for terminals alone, and what hosts say moves no cursor', async (context) => {
  const live = await LiveController.start(context);
  const web = await live.operator.enroll('web-1');
  const error = `\u001b[2J\u001b]0;owned\u0007${'a long reason '.repeat(20)}\u202e`;
  await live.report(web, [{ ...CONVERGED, status: 'failed', error }]);
  await until('kept', async () => (await live.run('runs', '--json')).out.includes('web-1'));
  for (const args of [['hosts'], ['status'], ['runs'], ['rollout', 'status'], ['rollout', 'list'], ['revisions']]) {
    const { out } = await cli(args, { env: live.env, width: 60 });
    const lines = args[0] === 'status' || args[1] === 'status' ? out.split('\n\n')[1] : out;
    for (const line of (lines ?? '').split('\n')) assert.ok(line.length <= 60, `${args.join(' ')}: ${line}`);
    // oxlint-disable-next-line no-control-regex -- they are what is looked for
    assert.doesNotMatch(out, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
  }
  assert.match((await cli(['hosts'], { env: live.env, width: 60 })).out, /…\n/);
  assert.match((await live.run('hosts')).out, /\?\[2J\?\]0;owned/, 'where it is not cut, it is told');
  const coloured = await cli(['hosts'], { env: live.env, isTerminal: true, width: 80 });
  assert.ok(coloured.out.includes('\u001b[31mfailed'));
  const none = await cli(['hosts'], { env: { ...live.env, NO_COLOR: '1' }, isTerminal: true, width: 80 });
  assert.ok(!none.out.includes('\u001b'));
});
