import { defineResource, type ResourceRef, type WatchHint } from '../../resource.ts';
import { apply } from './apply.ts';
import { describe } from './describe.ts';
import { diff } from './diff.ts';
import { observe } from './observe.ts';
import type { Spec } from './state.ts';

/** What is in a server tells nobody when it changes, and a look costs 2 ms. */
const LOOK_EVERY_SECONDS = 5;

export const postgres = defineResource({ observe, diff, describe, apply, autoRequires, watch });

/**
 * The service is no requirement: this kind starts the server itself, and a service that fails because of a broken
 * configuration must not keep this kind from mending it.
 */
function autoRequires(): readonly ResourceRef[] {
  return [{ kind: 'packages', name: 'packages' }];
}

function watch(spec: Spec): readonly WatchHint[] {
  const { cluster } = spec;
  const directories =
    cluster?.includes('/') === true ? [{ path: `/etc/postgresql/${cluster}`, entries: true as const }] : [];
  return [...directories, { everySeconds: LOOK_EVERY_SECONDS }];
}
