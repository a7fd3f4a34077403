import type { CheckStatus } from '../metrics/catalog.ts';
import type { Meter } from '../metrics/meter.ts';
import type { Snapshot } from './snapshot.ts';
import type { Verdict } from './status.ts';

/** Rollouts that bring the host nothing until somebody does something. */
const STOPPED: ReadonlySet<string> = new Set(['paused', 'aborted', 'refused']);

const CONVERGED: Readonly<Record<Verdict, CheckStatus>> = {
  converged: 'ok',
  differs: 'warning',
  failing: 'critical',
  unknown: 'unknown',
};

/** How the host and its controller are, for monitors: sent when it changes, and as a heartbeat. */
export function sendChecks(meter: Meter, { verdict, controller, pause, confirmed_ms }: Snapshot): void {
  const { state, error, refused, withheld } = controller;
  meter.check('host.converged', CONVERGED[pause !== undefined && verdict === 'failing' ? 'differs' : verdict]);
  meter.check(
    'controller.reachable',
    state === 'away' ? 'critical' : state === 'reachable' ? 'ok' : 'unknown',
    error ?? '',
  );
  meter.check('manifest.accepted', refused === undefined ? 'ok' : 'critical', refused?.reason ?? '');
  if (withheld === undefined) meter.check('rollout', 'ok');
  else meter.check('rollout', STOPPED.has(withheld.state ?? '') ? 'critical' : 'warning', withheld.reason);
  meter.gauge('paused', pause === undefined ? 0 : 1, {});
  if (confirmed_ms !== undefined) meter.gauge('manifest.age', Math.round((Date.now() - confirmed_ms) / 1000), {});
}
