import { join } from 'node:path';
import type { HostReader } from '../../host/host.ts';
import { BrokenConfiguration, type ConfigChanges, type SupervisedProcess } from '../../host/supervisor/port.ts';
import { CONF_DIRECTORY, isReleaseFile } from '../shared/supervisor-program.ts';
import { desiredFiles, type Spec } from './desired.ts';

export interface ActualFile {
  readonly text: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface State {
  /** What stands in the directory, by path: the declared files and those that nothing declares, without the releases' own. */
  readonly files: ReadonlyMap<string, ActualFile>;
  /** `undefined`: supervisord does not answer. */
  readonly processes: readonly SupervisedProcess[] | undefined;
  readonly changes: ConfigChanges;
  /** supervisord's own words on a configuration that it cannot read. */
  readonly broken: string | undefined;
}

const NO_CHANGES: ConfigChanges = { added: [], changed: [], removed: [] };

export async function observe(spec: Spec, host: HostReader): Promise<State> {
  const files = new Map<string, ActualFile>();
  const present = (await host.files.list(CONF_DIRECTORY)) ?? [];
  const unknown = present
    .filter((name) => name.endsWith('.conf') && !name.startsWith('.') && !isReleaseFile(name))
    .map((name) => join(CONF_DIRECTORY, name));
  for (const path of new Set([...desiredFiles(spec).map((file) => file.path), ...unknown])) {
    const stat = await host.files.stat(path);
    if (stat === undefined) continue;
    const text = stat.type === 'file' ? ((await host.files.readText(path)) ?? '') : `a ${stat.type}\n`;
    files.set(path, { text, mode: stat.mode, uid: stat.uid, gid: stat.gid });
  }
  const processes = await host.supervisor.processes();
  return { files, processes, ...(await readChanges(host, processes !== undefined)) };
}

async function readChanges(host: HostReader, answers: boolean): Promise<Pick<State, 'changes' | 'broken'>> {
  if (!answers) return { changes: NO_CHANGES, broken: undefined };
  try {
    return { changes: (await host.supervisor.configChanges()) ?? NO_CHANGES, broken: undefined };
  } catch (error) {
    if (!(error instanceof BrokenConfiguration)) throw error;
    return { changes: NO_CHANGES, broken: error.message };
  }
}
