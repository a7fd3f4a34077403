import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as v from 'valibot';
import type { UnitStatus } from '../../../agent/host/systemd/port.ts';
import { describe } from '../../../agent/resources/services/describe.ts';
import { diff } from '../../../agent/resources/services/diff.ts';
import { services } from '../../../desired-state/schema/services.ts';

const RUNNING: UnitStatus = {
  unit: 'web.service',
  load: 'loaded',
  active: 'active',
  sub: 'running',
  unitFile: 'enabled',
  needsDaemonReload: false,
  mainPid: 42,
  mainStarted_ms: 1000,
  activeSince_ms: 1000,
  stateChanged_ms: 1000,
  files: [],
  result: 'success',
};
const STOPPED: UnitStatus = { ...RUNNING, active: 'inactive', sub: 'dead', mainPid: 0, unitFile: 'disabled' };
const FAILED: UnitStatus = { ...STOPPED, active: 'failed', sub: 'failed', unitFile: 'enabled', result: 'exit-code' };
const ABSENT: UnitStatus = { ...STOPPED, load: 'not-found', unitFile: 'absent' };
const MASKED: UnitStatus = { ...STOPPED, load: 'masked', unitFile: 'masked' };

interface Case {
  readonly name: string;
  readonly entry: unknown;
  readonly unit: UnitStatus;
  readonly newerThanStart?: readonly string[];
  readonly newerThanReload?: readonly string[];
  readonly plan: readonly string[];
}

const stopped = { state: 'stopped', enabled: false };
const cases: readonly Case[] = [
  { name: 'a running, enabled unit needs nothing', entry: {}, unit: RUNNING, plan: [] },
  { name: 'a reloading unit counts as running', entry: {}, unit: { ...RUNNING, active: 'reloading' }, plan: [] },
  {
    name: 'a stopped, disabled unit is enabled and started',
    entry: {},
    unit: STOPPED,
    plan: ['enable (it is disabled)', 'start (it is inactive/dead)'],
  },
  {
    name: 'a failed unit is started again, with the reason of its failure',
    entry: {},
    unit: FAILED,
    plan: ['start (it is failed/failed, exit-code)'],
  },
  {
    name: 'a unit in a loop of restarts does not count as running',
    entry: {},
    unit: { ...FAILED, active: 'activating', sub: 'auto-restart' },
    plan: ['start (it is activating/auto-restart, exit-code)'],
  },
  {
    name: 'an enablement that the next boot forgets is made lasting',
    entry: {},
    unit: { ...RUNNING, unitFile: 'enabled-runtime' },
    plan: ['enable (it is enabled-runtime)'],
  },
  { name: 'a static unit counts as enabled', entry: {}, unit: { ...RUNNING, unitFile: 'static' }, plan: [] },
  { name: 'a static unit counts as disabled', entry: stopped, unit: { ...STOPPED, unitFile: 'static' }, plan: [] },
  {
    name: 'a masked unit that shall run is unmasked, and the plan says so',
    entry: {},
    unit: MASKED,
    plan: ['unmask (it is masked, but declared running)', 'enable (it is masked)', 'start (it is inactive/dead)'],
  },
  { name: 'a masked unit is stopped and disabled already', entry: stopped, unit: MASKED, plan: [] },
  { name: 'a masked unit that shall be masked needs nothing', entry: { masked: true }, unit: MASKED, plan: [] },
  {
    name: 'masking stops and disables first',
    entry: { masked: true },
    unit: RUNNING,
    plan: ['disable (it is enabled)', 'stop (it is active/running)', 'mask (declared masked)'],
  },
  { name: 'a unit that is absent is stopped', entry: stopped, unit: ABSENT, plan: [] },
  {
    name: 'a unit that is absent can be masked',
    entry: { masked: true },
    unit: ABSENT,
    plan: ['mask (declared masked)'],
  },
  {
    name: 'a unit that is absent is started later, when something has brought it',
    entry: {},
    unit: ABSENT,
    plan: ['enable (there is no such unit yet)', 'start (there is no such unit yet)'],
  },
  {
    name: 'a changed unit file is read again, and the process that runs the old one restarted',
    entry: {},
    unit: { ...RUNNING, needsDaemonReload: true },
    newerThanStart: ['/etc/systemd/system/web.service'],
    plan: [
      'daemon-reload (its unit file or a drop-in changed on disk)',
      'restart (it runs since before a change of /etc/systemd/system/web.service)',
    ],
  },
  {
    name: 'a restart reloads too',
    entry: {},
    unit: RUNNING,
    newerThanStart: ['/etc/a'],
    newerThanReload: ['/etc/b'],
    plan: ['restart (it runs since before a change of /etc/a)'],
  },
  {
    name: 'a reload that is owed',
    entry: {},
    unit: RUNNING,
    newerThanReload: ['/etc/b'],
    plan: ['reload (it has not read a change of /etc/b)'],
  },
  {
    name: 'running but not at boot',
    entry: { enabled: false },
    unit: RUNNING,
    plan: ['disable (it is enabled)'],
  },
  {
    name: 'a unit that is starting is stopped',
    entry: stopped,
    unit: { ...STOPPED, active: 'activating', sub: 'start' },
    plan: ['stop (it is activating/start)'],
  },
  { name: 'a failed unit is stopped', entry: stopped, unit: { ...FAILED, unitFile: 'disabled' }, plan: [] },
];

for (const { name, entry, unit, newerThanStart = [], newerThanReload = [], plan } of cases) {
  test(name, () => {
    const spec = { ...v.parse(services.entry, entry), name: 'web' };
    const changes = diff(spec, { unit, newerThanStart, newerThanReload });
    assert.deepEqual(
      changes.map((change) => describe(change).summary),
      plan,
    );
  });
}

test('a unit can not be masked and running at once', () => {
  const parsed = v.safeParse(services.entry, { masked: true, state: 'running' });
  assert.match(parsed.issues?.[0]?.message ?? '', /masked unit can neither run nor be enabled/);
});
