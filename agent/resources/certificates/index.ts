import { certificatePaths } from '../../../desired-state/schema/certificates.ts';
import { defineResource, type ResourceRef, type WatchHint } from '../../resource.ts';
import { ownershipRequires } from '../shared/ownership.ts';
import { apply } from './apply.ts';
import { describe } from './describe.ts';
import { diff } from './diff.ts';
import { type CertificateSpec, observe } from './observe.ts';

export const certificates = defineResource({ observe, diff, describe, apply, autoRequires, watch });

function autoRequires(spec: CertificateSpec): readonly ResourceRef[] {
  const paths = Object.values(certificatePaths(spec));
  return [{ kind: 'packages', name: 'packages' }, ...paths.flatMap((path) => ownershipRequires(path, spec))];
}

function watch(spec: CertificateSpec): readonly WatchHint[] {
  return Object.values(certificatePaths(spec)).map((path) => ({ path }));
}
