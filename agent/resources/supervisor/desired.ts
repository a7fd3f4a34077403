import { join } from 'node:path';
import type { SpecOf } from '../../../desired-state/schema/kinds.ts';
import { type MaybeSecret, reveal, Secret } from '../../../desired-state/schema/secret.ts';
import { CONF_DIRECTORY, groupsIn, renderGroup, renderProgram } from '../shared/supervisor-program.ts';

export type Spec = SpecOf['supervisor'];

/** One file of `/etc/supervisor/conf.d` as it shall be. */
export interface DesiredFile {
  readonly path: string;
  /** `undefined`: the file shall not be there. */
  readonly text: MaybeSecret | undefined;
  readonly mode: number;
}

/** A process group as supervisord shall run it. */
export interface DesiredGroup {
  readonly name: string;
  readonly ensure: 'running' | 'stopped' | 'absent';
  /** Whether an end with status 0 is an end, and no failure. */
  readonly mayExit: boolean;
  /** How long a stop may take, in milliseconds. */
  readonly stop_ms: number;
  /** How long a start may take, with all its attempts, in milliseconds. */
  readonly start_ms: number;
}

const SLACK_MS = 15_000;
/** A program with secrets in its environment is nobody's but root's. */
const SECRET_MODE = 0o600;
const PLAIN_MODE = 0o644;

export function desiredFiles(spec: Spec): readonly DesiredFile[] {
  const programs = Object.entries(spec.programs).map(([name, program]) => {
    const path = join(CONF_DIRECTORY, `${name}.conf`);
    if (program.ensure === 'absent') return { path, text: undefined, mode: PLAIN_MODE };
    const text = 'content' in program ? program.content : renderProgram(name, withoutStart(program));
    return { path, text, mode: text instanceof Secret ? SECRET_MODE : PLAIN_MODE };
  });
  const groups = Object.entries(spec.groups).map(([name, group]) => ({
    path: join(CONF_DIRECTORY, `group-${name}.conf`),
    text: renderGroup(name, group),
    mode: PLAIN_MODE,
  }));
  return [...programs, ...groups];
}

/** What shall be stopped does not start with supervisord either. */
function withoutStart<P extends { readonly ensure: string; readonly autostart: boolean }>(program: P): P {
  return program.ensure === 'stopped' ? { ...program, autostart: false } : program;
}

export function desiredGroups(spec: Spec): readonly DesiredGroup[] {
  const memberOf = new Map(
    Object.entries(spec.groups).flatMap(([group, { programs }]) => programs.map((name) => [name, group] as const)),
  );
  const groups = new Map<string, DesiredGroup>();
  for (const [name, program] of Object.entries(spec.programs)) {
    const names = 'content' in program ? groupsIn(reveal(program.content)) : [memberOf.get(name) ?? name];
    const structured = 'command' in program ? program : undefined;
    for (const group of names) {
      const before = groups.get(group);
      groups.set(group, {
        name: group,
        ensure: strongest(before?.ensure, program.ensure),
        mayExit: structured !== undefined && structured.autorestart !== true && (before?.mayExit ?? true),
        stop_ms: Math.max(before?.stop_ms ?? 0, (structured?.stopwaitsecs ?? 60) * 1000 + SLACK_MS),
        start_ms: Math.max(
          before?.start_ms ?? 0,
          structured === undefined ? 60_000 : startBound_ms(structured.startsecs, structured.startretries),
        ),
      });
    }
  }
  return [...groups.values()];
}

/** supervisord waits one second more after each failed attempt: 1 + 2 + … + retries. */
export function startBound_ms(startsecs: number, startretries: number): number {
  return (startsecs * (startretries + 1) + (startretries * (startretries + 1)) / 2) * 1000 + SLACK_MS;
}

/** A group runs when one of its programs shall run, and goes when none shall be there. */
function strongest(a: DesiredGroup['ensure'] | undefined, b: DesiredGroup['ensure']): DesiredGroup['ensure'] {
  if (a === 'running' || b === 'running') return 'running';
  return a === 'stopped' || b === 'stopped' ? 'stopped' : 'absent';
}
