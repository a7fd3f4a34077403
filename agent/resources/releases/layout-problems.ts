import { join } from 'node:path';
import type { HostReader } from '../../host/host.ts';
import type { OwnerIds } from '../shared/ownership.ts';
import { COLOURS, type Layout, type Spec, slotDirectory } from './layout.ts';

/** A directory, or the log file, that is not there or is another's. */
export interface LayoutProblem {
  readonly path: string;
  readonly type: 'directory' | 'file';
  readonly mode: number;
  readonly what: string;
}

interface Place {
  readonly path: string;
  readonly type: 'directory' | 'file';
  readonly mode: number;
}

/** Parents first. */
function places(spec: Spec, layout: Layout): readonly Place[] {
  const directory = (path: string, mode = 0o755): Place => ({ path, type: 'directory', mode });
  return [
    directory(layout.directory),
    directory(join(layout.directory, 'releases')),
    directory(join(layout.directory, 'venvs')),
    ...(spec.django?.collectstatic === true ? [directory(join(layout.directory, 'static'))] : []),
    directory(layout.media),
    directory(layout.runDirectory),
    ...COLOURS.map((colour) => directory(slotDirectory(layout, colour), 0o700)),
    directory(layout.logDirectory, 0o774),
    { path: layout.log, type: 'file', mode: 0o664 },
  ];
}

export async function layoutProblems(
  spec: Spec,
  layout: Layout,
  ids: OwnerIds,
  host: HostReader,
): Promise<readonly LayoutProblem[]> {
  const problems: LayoutProblem[] = [];
  for (const place of places(spec, layout)) {
    const stat = await host.files.stat(place.path);
    const what =
      stat === undefined
        ? 'is not there'
        : stat.type !== place.type
          ? `is a ${stat.type}`
          : stat.uid !== ids.uid || stat.gid !== ids.gid
            ? `belongs to ${stat.uid}:${stat.gid}`
            : stat.mode !== place.mode
              ? `has mode 0${stat.mode.toString(8)}`
              : undefined;
    if (what !== undefined) problems.push({ ...place, what });
  }
  return problems;
}
