import { mask } from '../describe.ts';

/** Lines for journald: one per thing that happened, nothing for a run that found nothing to do. */
export interface Log {
  info(text: string): void;
  notice(text: string): void;
  warning(text: string): void;
  error(text: string): void;
  /** From now on these are masked in every line. */
  maskAlso(fragments: Iterable<string>): void;
}

/** Priorities of syslog(3), which journald reads from the beginning of a line. */
const PRIORITIES = { error: 3, warning: 4, notice: 5, info: 6 } as const;
const MAX_CHARACTERS = 8000;

export interface LogOptions {
  readonly write: (text: string) => void;
  /** Whether lines begin with `<6>`: true where systemd reads them. */
  readonly priorities: boolean;
}

export function createLog({ write, priorities }: LogOptions): Log {
  const fragments = new Set<string>();
  const at =
    (priority: keyof typeof PRIORITIES) =>
    (text: string): void => {
      const prefix = priorities ? `<${PRIORITIES[priority]}>` : '';
      const lines = mask(text, fragments).slice(0, MAX_CHARACTERS).trimEnd().split('\n');
      write(lines.map((line) => `${prefix}${line}\n`).join(''));
    };
  return {
    info: at('info'),
    notice: at('notice'),
    warning: at('warning'),
    error: at('error'),
    maskAlso(more) {
      for (const fragment of more) fragments.add(fragment);
    },
  };
}
