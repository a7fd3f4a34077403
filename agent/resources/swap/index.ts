import { defineResource, type ResourceRef, type WatchHint } from '../../resource.ts';
import { ownershipRequires } from '../shared/ownership.ts';
import { apply } from './apply.ts';
import { describe } from './describe.ts';
import { diff } from './diff.ts';
import { FSTAB, observe, type SwapSpec } from './observe.ts';

export const swap = defineResource({ observe, diff, describe, apply, autoRequires, watch });

function autoRequires(spec: SwapSpec): readonly ResourceRef[] {
  return ownershipRequires(spec.name, { owner: 'root', group: 'root' });
}

/** The kernel tells nobody of a `swapoff`; once a minute is soon enough for it. */
function watch(spec: SwapSpec): readonly WatchHint[] {
  return [{ path: spec.name }, { path: FSTAB }, { everySeconds: 60 }];
}
