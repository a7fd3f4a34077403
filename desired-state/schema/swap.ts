import * as v from 'valibot';
import { defineKind } from './kind.ts';
import { normalPath } from './values.ts';

const UNITS: Readonly<Record<string, number>> = { M: 1024 ** 2, G: 1024 ** 3 };
const SIZE_HINT = 'expected a size in mebibytes or gibibytes such as "512M" or "2G"';

/** Output: bytes. */
const size = v.pipe(
  v.string(SIZE_HINT),
  v.regex(/^[1-9]\d{0,5}[MG]$/, SIZE_HINT),
  v.transform((text) => Number.parseInt(text, 10) * (UNITS[text.slice(-1)] ?? Number.NaN)),
);

const entry = v.pipe(
  v.strictObject({
    ensure: v.pipe(
      v.optional(v.picklist(['present', 'absent'], 'expected "present" or "absent"'), 'present'),
      v.description('`absent` turns it off, and removes the file and its line in /etc/fstab.'),
    ),
    size: v.pipe(
      v.optional(size),
      v.description('Size of the file, such as "512M". Another size makes the file anew.'),
    ),
    priority: v.pipe(
      v.optional(
        v.pipe(
          v.number('expected a whole number from 0 to 32767'),
          v.integer('expected a whole number from 0 to 32767'),
          v.minValue(0, 'expected a whole number from 0 to 32767'),
          v.maxValue(32767, 'expected a whole number from 0 to 32767'),
        ),
      ),
      v.description('Areas with a higher priority are used first. Default: the kernel’s choice.'),
    ),
    when_memory_below: v.pipe(
      v.optional(size),
      v.description(
        'Only on hosts with less memory than this, such as "1G"; elsewhere nothing is done. Default: on all.',
      ),
    ),
    containers: v.pipe(
      v.optional(v.picklist(['skip', 'manage'], 'expected "skip" or "manage"'), 'skip'),
      v.description(
        'A container shares the swap of its machine, and most may not change it: there the entry counts as converged and nothing is done. `manage` tries all the same.',
      ),
    ),
  }),
  v.check((swap) => swap.ensure === 'absent' || swap.size !== undefined, 'expected a "size" such as "512M"'),
);

/** Sizes in bytes. The name is the path of the swap file. */
export const swap = defineKind({
  form: 'each',
  entry,
  names: normalPath,
  description: 'A swap file: made, turned on, and turned on again at boot by /etc/fstab.',
  shorthands: { absent: { ensure: 'absent' } },
  owns: (name) => [name],
});
