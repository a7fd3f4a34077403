import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drifted, setup } from './agent-setup.ts';
import { HOST, manifestText, settle } from './support.ts';

test('a preview is answered with what would change, and what runs stays what it was', async (t) => {
  const { agent, engine, looker, controller } = await setup(t);
  controller.serve(manifestText({ revision: 'one' }), '"1"');
  await agent.start();
  await settle();
  const runs = engine.runs.length;
  looker.resources = [
    { ...drifted, status: 'drifted', changes: drifted.changes.map((one) => ({ ...one, outcome: 'pending' })) },
  ];
  controller.order({ preview: { id: 'p1', text: manifestText({ revision: 'two' }) } });
  await settle();
  assert.deepEqual(controller.previews, [
    {
      id: 'p1',
      preview: {
        host: HOST,
        revision: 'two',
        changes: [{ kind: 'files', name: '/etc/motd', summary: 'write 1 line', diff: '-a\n+b\n', hazard: 'none' }],
        problems: [],
        more: 0,
      },
    },
  ]);
  assert.deepEqual(
    [looker.runs.map(({ dryRun }) => dryRun), engine.runs.length, agent.status().revision.running],
    [[true], runs, 'one'],
  );
  assert.equal(controller.asked.at(-1)?.etag, '"1"', 'it is held again at once, with what it has');
});

test('a preview of a manifest that could not run here says so', async (t) => {
  const { agent, controller } = await setup(t);
  controller.serve(manifestText({ revision: 'one' }), '"1"');
  await agent.start();
  await settle();
  controller.order({ preview: { id: 'p1', text: manifestText({ host: 'db-1' }) } });
  await settle();
  controller.order({ preview: { id: 'p2', text: '{"format":' } });
  await settle();
  assert.deepEqual(
    controller.previews.map(({ preview }) => preview.problems[0]),
    ['the manifest is of host "db-1"', 'this host would refuse it: the manifest is not JSON (10 characters)'],
  );
});
