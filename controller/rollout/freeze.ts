import { type Freeze, WEEKDAYS } from '../../desired-state/schema/rollout.ts';

export interface Frozen {
  readonly why: string;
  /** About when it ends; looked at again by then. */
  readonly until_ms: number;
}

const MINUTE_MS = 60_000;
const DAY_MINUTES = 1440;
const WEEK_MINUTES = 7 * DAY_MINUTES;

/** The freeze that is on, and of several the one that ends last. Pure. */
export function frozenBy(freezes: readonly Freeze[], now_ms: number): Frozen | undefined {
  const on = freezes.flatMap((freeze) => {
    const until_ms = 'days' in freeze ? weeklyUntil(freeze, now_ms) : datedUntil(freeze, now_ms);
    return until_ms === undefined ? [] : [{ why: freeze.why, until_ms }];
  });
  return on.reduce<Frozen | undefined>(
    (last, one) => (last === undefined || one.until_ms > last.until_ms ? one : last),
    undefined,
  );
}

/** When the window that is open at `now_ms` ends. By the clock on the wall: the hours are those of the zone, whatever its offset. */
function weeklyUntil(freeze: Extract<Freeze, { days: unknown }>, now_ms: number): number | undefined {
  const now = minuteOfWeek(now_ms, freeze.zone);
  const from = minutesOf(freeze.from);
  const to = minutesOf(freeze.to);
  const length = to > from ? to - from : to - from + DAY_MINUTES;
  const left = freeze.days.flatMap((day) => {
    const begin = WEEKDAYS.indexOf(day) * DAY_MINUTES + from;
    const since = (now - begin + WEEK_MINUTES) % WEEK_MINUTES;
    return since < length ? [length - since] : [];
  });
  return left.length === 0 ? undefined : (Math.floor(now_ms / MINUTE_MS) + Math.max(...left)) * MINUTE_MS;
}

function datedUntil({ from, until, zone }: Exclude<Freeze, { days: unknown }>, now_ms: number): number | undefined {
  const end_ms = momentOf(until, zone);
  return now_ms >= momentOf(from, zone) && now_ms < end_ms ? end_ms : undefined;
}

function minutesOf(time: string): number {
  const [hours = 0, minutes = 0] = time.split(':').map(Number);
  return hours * 60 + minutes;
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** What a clock in the zone shows, as if it were UTC. */
function wallClock_ms(at_ms: number, zone: string): number {
  let format = formats.get(zone);
  if (format === undefined) {
    const two = '2-digit';
    format = new Intl.DateTimeFormat('en-CA', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: two,
      day: two,
      hour: two,
      minute: two,
      second: two,
    });
    formats.set(zone, format);
  }
  const parts = new Map(format.formatToParts(at_ms).map(({ type, value }) => [type, Number(value)]));
  const of = (type: Intl.DateTimeFormatPartTypes): number => parts.get(type) ?? 0;
  return Date.UTC(of('year'), of('month') - 1, of('day'), of('hour'), of('minute'), of('second'));
}

function minuteOfWeek(at_ms: number, zone: string): number {
  const wall = new Date(wallClock_ms(at_ms, zone));
  const day = (wall.getUTCDay() + 6) % 7;
  return day * DAY_MINUTES + wall.getUTCHours() * 60 + wall.getUTCMinutes();
}

/** When a clock in the zone shows the text: `2026-12-20` or `2026-12-20T18:00`. */
function momentOf(text: string, zone: string): number {
  const wall_ms = Date.parse(`${text.length > 10 ? text : `${text}T00:00`}:00Z`);
  const guess_ms = wall_ms - (wallClock_ms(wall_ms, zone) - wall_ms);
  // The offset at the guess may be another one than at the text taken for UTC, around a change of the clocks.
  return guess_ms - (wallClock_ms(guess_ms, zone) - wall_ms);
}
