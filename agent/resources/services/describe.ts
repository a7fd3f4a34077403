import type { Described, Hazard } from '../../resource.ts';
import type { Action, ServiceChange } from './diff.ts';

const HAZARDS: Readonly<Record<Action, Hazard>> = {
  unmask: 'none',
  'daemon-reload': 'none',
  enable: 'none',
  disable: 'none',
  start: 'none',
  restart: 'restart',
  reload: 'reload',
  stop: 'restart',
  mask: 'none',
};

export function describe({ action, reason }: ServiceChange): Described {
  return { summary: `${action} (${reason})`, hazard: HAZARDS[action] };
}
