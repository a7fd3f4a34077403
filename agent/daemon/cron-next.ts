/** The fields of a cron expression as node-cron's `parse` gives them; a day may also be `L`, `LW` or `5#2`. */
export interface CronFields {
  readonly second: readonly number[];
  readonly minute: readonly number[];
  readonly hour: readonly number[];
  readonly dayOfMonth: readonly (number | string)[];
  readonly month: readonly number[];
  readonly dayOfWeek: readonly (number | string)[];
}

/** Long enough for the 29th of February over a century that has none. */
const MAX_STEPS = 20_000;

/**
 * The first moment after `from` that matches all fields, in local time; `undefined` where there is none or a field is
 * written in a way that only node-cron understands. node-cron finds it too, but by `Intl`, which costs 8 MB resident.
 */
export function nextMatch(fields: CronFields, from: Date): Date | undefined {
  if ([...fields.dayOfMonth, ...fields.dayOfWeek].some((day) => typeof day === 'string')) return undefined;
  let at = new Date(from);
  at.setMilliseconds(0);
  at.setSeconds(at.getSeconds() + 1);
  for (let step = 0; step < MAX_STEPS; step += 1) {
    const [year, month, day, hour, minute] = [
      at.getFullYear(),
      at.getMonth(),
      at.getDate(),
      at.getHours(),
      at.getMinutes(),
    ];
    if (!fields.month.includes(month + 1)) at = later(at, new Date(year, month + 1, 1));
    else if (!fields.dayOfMonth.includes(day) || !matchesWeekday(fields, at))
      at = later(at, new Date(year, month, day + 1));
    else if (!fields.hour.includes(hour)) at = later(at, new Date(year, month, day, hour + 1));
    else if (!fields.minute.includes(minute)) at = later(at, new Date(year, month, day, hour, minute + 1));
    else if (fields.second.includes(at.getSeconds())) return at;
    else at = new Date(at.getTime() + 1000);
  }
  return undefined;
}

/** Sunday is 0 and 7. */
function matchesWeekday({ dayOfWeek }: CronFields, at: Date): boolean {
  const weekday = at.getDay();
  return dayOfWeek.includes(weekday) || (weekday === 0 && dayOfWeek.includes(7));
}

/** Where a clock is put forward, the next local hour may name a moment that is not later: an hour is skipped then. */
function later(before: Date, next: Date): Date {
  return next.getTime() > before.getTime() ? next : new Date(before.getTime() + 3_600_000);
}
