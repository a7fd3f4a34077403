import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ansibleWouldChange } from '../../bench/peers/ansible-check.ts';
import { joined, scaleSections, stackSections } from '../../bench/peers/holdfast.ts';
import { peers, runPeer, startConvergedHost, verifyStack } from '../../bench/peers/host.ts';
import { peersFolder } from '../../bench/peers/image.ts';
import { AgentOnHost, differences } from '../conformance/agent-on-host.ts';

const skip = peersFolder() === undefined && 'the peers’ definitions are not beside the checkout (../shared/peers)';

/** Holdfast deploys an application as a release and leaves a checkout that is updated in place to who made it. */
const PEERS_ALONE = new Set(['checkout', 'virtualenv', 'pip requirements']);

void test('what Ansible has converged is converged to Holdfast, and the other way round', { skip }, async (t) => {
  await using host = await startConvergedHost((line) => t.diagnostic(line));
  const [ansible] = peers;
  assert.ok(ansible?.name === 'ansible');
  await runPeer(host, ansible, false);
  await verifyStack(host);
  const agent = await AgentOnHost.install(host);
  const stack = await stackSections(host);
  await agent.writeManifest(stack);

  await t.test('right after Ansible, the plan is empty', async () => {
    const { code, result } = await agent.plan();
    assert.deepEqual(differences(result), []);
    assert.equal(code, 0);
    assert.ok(result.resources.length > 15, `only ${result.resources.length} resources`);
  });

  await t.test('what was broken by hand is repaired so that Ansible finds nothing to change', async () => {
    await host.sh('bash /opt/peers/drift.sh', { timeout_ms: 120_000 });
    assert.ok((await ansibleWouldChange(host)).size > 5, 'Ansible sees that something is broken');
    const run = await agent.run();
    assert.equal(run.code, 0, differences(run.result).slice(-20).join('\n'));
    assert.deepEqual(differences((await agent.plan()).result), []);
    const left = [...(await ansibleWouldChange(host))].filter(([task]) => !PEERS_ALONE.has(task));
    assert.deepEqual(left, []);
    // The one thing that only the peers keep.
    await host.mustExec(['git', '-C', '/webapps/todo', 'checkout', '--quiet', '--', '.'], { user: 'todo' });
    await verifyStack(host);
  });

  await t.test('the 500 files that Holdfast writes are as Ansible would write them', async () => {
    await agent.writeManifest(joined(stack, scaleSections()));
    const run = await agent.run();
    assert.equal(run.code, 0, differences(run.result).slice(-20).join('\n'));
    assert.equal((await host.sh('ls /etc/scale | wc -l')).trim(), '500');
    await host.sh('cp -a /etc/scale /root/scale-of-holdfast');
    await host.mustExec(['cf-agent', '-KI', '-D', 'scale'], { timeout_ms: 300_000 });
    await host.sh('diff -r /etc/scale /root/scale-of-holdfast');
    assert.deepEqual(differences((await agent.plan()).result), []);
  });
});
