import { isRunning, type ServiceSpec, type ServiceState } from './observe.ts';

/** What can be done to a unit, as one call of systemd each. */
export type Action =
  | 'unmask'
  | 'daemon-reload'
  | 'enable'
  | 'disable'
  | 'start'
  | 'restart'
  | 'reload'
  | 'stop'
  | 'mask';

export interface ServiceChange {
  readonly action: Action;
  /** As declared: the full name is systemd's business. */
  readonly name: string;
  /** Why, for the plan; without a full stop. */
  readonly reason: string;
  readonly timeout_ms: number;
}

export function diff(spec: ServiceSpec, state: ServiceState): readonly ServiceChange[] {
  const steps = state.unit.load === 'not-found' ? whenAbsent(spec) : whenPresent(spec, state);
  return steps.map(([action, reason]) => ({ action, reason, name: spec.name, timeout_ms: spec.timeout }));
}

type Step = readonly [Action, string];

/** A unit that does not exist is stopped and disabled already; starting it says what is missing. */
function whenAbsent(spec: ServiceSpec): readonly Step[] {
  const steps: Step[] = [];
  if (spec.enabled) steps.push(['enable', 'there is no such unit yet']);
  if (spec.state === 'running') steps.push(['start', 'there is no such unit yet']);
  if (spec.masked) steps.push(['mask', 'declared masked']);
  return steps;
}

function whenPresent(spec: ServiceSpec, state: ServiceState): readonly Step[] {
  const { unit } = state;
  const masked = unit.load === 'masked' || unit.unitFile.startsWith('masked');
  const steps: Step[] = [];
  if (masked && (spec.state === 'running' || spec.enabled)) {
    steps.push(['unmask', `it is masked, but declared ${spec.state === 'running' ? 'running' : 'enabled'}`]);
  } else if (unit.needsDaemonReload) {
    steps.push(['daemon-reload', 'its unit file or a drop-in changed on disk']);
  }
  if (spec.enabled && (masked || CAN_BE_ENABLED.has(unit.unitFile))) {
    steps.push(['enable', `it is ${unit.unitFile}`]);
  }
  if (!spec.enabled && CAN_BE_DISABLED.has(unit.unitFile)) steps.push(['disable', `it is ${unit.unitFile}`]);
  steps.push(...(spec.state === 'running' ? towardsRunning(state) : towardsStopped(state)));
  if (spec.masked && !masked) steps.push(['mask', 'declared masked']);
  return steps;
}

/** States from which `enable` makes a link. `static`, `indirect`, `generated` and `alias` have nothing of their own to link. */
const CAN_BE_ENABLED = new Set(['disabled', 'enabled-runtime', 'linked', 'linked-runtime']);
const CAN_BE_DISABLED = new Set(['enabled', 'enabled-runtime']);

function towardsRunning({ unit, newerThanStart, newerThanReload }: ServiceState): readonly Step[] {
  if (!isRunning(unit)) return [['start', `it is ${unit.active}/${unit.sub}${because(unit.result)}`]];
  if (newerThanStart.length > 0) return [['restart', `it runs since before a change of ${newerThanStart.join(', ')}`]];
  if (newerThanReload.length > 0) return [['reload', `it has not read a change of ${newerThanReload.join(', ')}`]];
  return [];
}

function towardsStopped({ unit }: ServiceState): readonly Step[] {
  return unit.active === 'inactive' || unit.active === 'failed' ? [] : [['stop', `it is ${unit.active}/${unit.sub}`]];
}

function because(result: string): string {
  return result === '' || result === 'success' ? '' : `, ${result}`;
}
