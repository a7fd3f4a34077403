import * as v from 'valibot';
import { defineKind } from './kind.ts';
import { absolutePath, duration } from './values.ts';

const flag = v.boolean('expected true or false');
const paths = v.array(absolutePath, 'expected a list of absolute paths');

const entry = v.pipe(
  v.strictObject({
    state: v.pipe(
      v.optional(v.picklist(['running', 'stopped'], 'expected "running" or "stopped"')),
      v.description('Whether the unit runs. Default: running, or stopped for a masked unit.'),
    ),
    enabled: v.pipe(
      v.optional(flag),
      v.description(
        'Whether it starts at boot. Default: true for a running unit. A unit without [Install] counts as both.',
      ),
    ),
    masked: v.pipe(
      v.optional(flag, false),
      v.description(
        'Makes every start impossible, by hand or by another unit. A masked unit that is declared running or enabled is unmasked.',
      ),
    ),
    restart_when_newer: v.pipe(
      v.optional(paths, []),
      v.description(
        'Files that the process reads at its start. It is stale, and restarted, when one of them (of a folder: its entries) changed after the start.',
      ),
    ),
    reload_when_newer: v.pipe(
      v.optional(paths, []),
      v.description('The same for files that a reload is enough for. The unit needs an ExecReload=.'),
    ),
    restart_when_unit_changes: v.pipe(
      v.optional(flag, true),
      v.description(
        'Restart when its unit file or a drop-in under /etc/systemd/system changed after the start. What packages bring is left to them.',
      ),
    ),
    timeout: v.pipe(
      v.optional(duration, '100s'),
      v.description('Bound on a start, stop, restart or reload, such as "5m".'),
    ),
  }),
  v.check(
    (service) => !service.masked || (service.state !== 'running' && service.enabled !== true),
    'a masked unit can neither run nor be enabled: drop "masked", or "state" and "enabled"',
  ),
  v.transform((service) => {
    const state = service.state ?? (service.masked ? 'stopped' : 'running');
    return { ...service, state, enabled: service.enabled ?? state === 'running' };
  }),
);

/** Spec shapes: durations in milliseconds; `state` and `enabled` are always there. The name is a unit name, `.service` may be left out. */
export const services = defineKind({
  form: 'each',
  entry,
  description:
    'A systemd unit: running or stopped, enabled or not, masked; restarted when what it runs is not what is on disk.',
  shorthands: {
    running: {},
    stopped: { state: 'stopped', enabled: false },
    masked: { masked: true },
  },
});
