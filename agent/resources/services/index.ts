import { defineResource, type ResourceRef, type WatchHint } from '../../resource.ts';
import { apply } from './apply.ts';
import { describe } from './describe.ts';
import { diff } from './diff.ts';
import { observe, type ServiceSpec } from './observe.ts';

export const services = defineResource({ observe, diff, describe, apply, autoRequires, watch });

function autoRequires(spec: ServiceSpec): readonly ResourceRef[] {
  const unitFiles = [spec.name, `${spec.name}.service`].flatMap((unit) => [
    `/etc/systemd/system/${unit}`,
    `/etc/systemd/system/${unit}.d/override.conf`,
  ]);
  const files = [...unitFiles, ...spec.restart_when_newer, ...spec.reload_when_newer];
  return [{ kind: 'packages', name: 'packages' }, ...files.map((name) => ({ kind: 'files', name }))];
}

/** systemd puts a link for each unit into `/run/systemd/units` when it starts and takes it away when it ends. */
function watch(spec: ServiceSpec): readonly WatchHint[] {
  const paths = ['/run/systemd/units', '/etc/systemd/system', ...spec.restart_when_newer, ...spec.reload_when_newer];
  return paths.map((path) => ({ path, entries: true as const }));
}
