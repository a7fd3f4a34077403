import * as v from 'valibot';
import { duration } from './values.ts';

/**
 * The section `rollout:`: how a new revision reaches the hosts. It is the controller's business alone, and is no part of a
 * manifest.
 */

export const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
const weekday = v.picklist(WEEKDAYS, 'expected a day of the week');

const count = (least: number, example: string) => {
  const expected = `expected a number of hosts of at least ${least}${example}`;
  return v.pipe(v.number(expected), v.integer(expected), v.minValue(least, expected));
};
const PERCENT = 'expected a number of hosts or a share such as "25%"';
const share = v.pipe(v.string(PERCENT), v.regex(/^(?:[1-9]\d?|100)%$/, PERCENT));

const zone = v.optional(
  v.pipe(
    v.string('expected a time zone such as "Europe/Berlin"'),
    v.check(isZone, 'expected a time zone of the IANA database, such as "Europe/Berlin" or "UTC"'),
    v.description('Time zone of the hours, by its name in the IANA database.'),
  ),
  'UTC',
);
const why = v.pipe(
  v.string('expected a reason'),
  v.trim(),
  v.nonEmpty('a freeze needs a reason, for those whose change it holds'),
  v.maxLength(200, 'a reason has at most 200 characters'),
  v.description('The reason, which everybody is told whose change is held.'),
);

const TIME = 'expected a time of the day such as "18:00"';
const time = (last: string) =>
  v.pipe(v.string(TIME), v.regex(new RegExp(`^(?:(?:[01]\\d|2[0-3]):[0-5]\\d${last})$`), TIME));

const MOMENT = 'expected a moment such as "2026-12-20" or "2026-12-20T18:00"';
const moment = v.pipe(
  v.string(MOMENT),
  v.regex(/^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2})?$/, MOMENT),
  v.check((text) => !Number.isNaN(Date.parse(`${text.length > 10 ? text : `${text}T00:00`}Z`)), MOMENT),
);

const weeklyFreeze = v.strictObject({
  days: v.pipe(
    v.array(weekday, 'expected a list of days, such as [fri, sat]'),
    v.minLength(1, 'expected at least one day'),
    v.description('Days on which the window begins.'),
  ),
  from: v.optional(v.pipe(time(''), v.description('When it begins on each of the days.')), '00:00'),
  to: v.optional(
    v.pipe(time('|24:00'), v.description('When it ends; not later than `from` means on the next day.')),
    '24:00',
  ),
  zone,
  why,
});

const datedFreeze = v.pipe(
  v.strictObject({
    from: v.pipe(moment, v.description('When it begins, once; with `days`, a time of the day.')),
    until: v.pipe(moment, v.description('When a freeze that happens once ends.')),
    zone,
    why,
  }),
  v.forward(
    v.partialCheck([['from'], ['until']], ({ from, until }) => from < until, 'it ends before it begins'),
    ['until'],
  ),
);

/** The section as a user writes it. Output: durations as milliseconds. */
export const rolloutSection = v.strictObject({
  canary: v.optional(
    v.pipe(count(0, ''), v.description('How many hosts of the group get a new revision first; 0 for none.')),
    0,
  ),
  batch: v.optional(
    v.pipe(
      v.union([count(1, ', or a share such as "25%"'), share], PERCENT),
      v.description('How many hosts get it at a time afterwards, as a number or as a share of the group.'),
    ),
    '100%',
  ),
  hold: v.optional(
    v.pipe(duration, v.description('How long a wave has to stay converged and healthy before the next one begins.')),
    '10s',
  ),
  within: v.optional(
    v.pipe(
      duration,
      v.minValue(1000, 'expected at least "1s"'),
      v.description('How long a host may take to converge before it counts as failed.'),
    ),
    '30m',
  ),
  freeze: v.optional(
    v.pipe(
      v.array(v.union([weeklyFreeze, datedFreeze]), 'expected a list of windows'),
      v.description('Windows in which no new revision is given out; drift is repaired all the same.'),
    ),
    [],
  ),
});

/** How the hosts of a group get a new revision. */
export type RolloutSettings = v.InferOutput<typeof rolloutSection>;
export type Freeze = RolloutSettings['freeze'][number];

/** Of hosts whose files say nothing of it: all at once. */
export const ROLLOUT_DEFAULTS: RolloutSettings = v.parse(rolloutSection, {});

/** How many hosts of a group of `size` a batch is; at least one. */
export function batchSize(batch: RolloutSettings['batch'], size: number): number {
  if (typeof batch === 'number') return batch;
  return Math.max(1, Math.floor((size * Number.parseInt(batch, 10)) / 100));
}

function isZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}
