import { defineResource, type ResourceRef, type WatchHint } from '../../resource.ts';
import { apply } from './apply.ts';
import { describe } from './describe.ts';
import { diff } from './diff.ts';
import { type NginxSpec, TREE } from './layout.ts';
import { observe } from './observe.ts';

export const nginx = defineResource({ observe, diff, describe, apply, autoRequires, watch });

function autoRequires(spec: NginxSpec): readonly ResourceRef[] {
  const certificates = Object.values(spec.sites).flatMap((site) =>
    site === 'absent' || site.certificate === undefined ? [] : [{ kind: 'certificates', name: site.certificate }],
  );
  return [{ kind: 'packages', name: 'packages' }, ...certificates];
}

/** systemd puts a link for each unit into `/run/systemd/units` when it starts and takes it away when it ends. */
function watch(): readonly WatchHint[] {
  const folders = ['', '/conf.d', '/sites-available', '/sites-enabled', '/snippets'].map((name) => `${TREE}${name}`);
  return [...folders, '/run/systemd/units'].map((path) => ({ path, entries: true as const }));
}
