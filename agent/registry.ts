import type { Kind, SpecOf } from '../desired-state/schema/kinds.ts';
import type { ResourceType } from './resource.ts';
import { certificates } from './resources/certificates/index.ts';
import { directories } from './resources/directories/index.ts';
import { files } from './resources/files/index.ts';
import { groups } from './resources/groups/index.ts';
import { nginx } from './resources/nginx/index.ts';
import { packages } from './resources/packages/index.ts';
import { postgres } from './resources/postgres/index.ts';
import { releases } from './resources/releases/index.ts';
import { repositories } from './resources/repositories/index.ts';
import { services } from './resources/services/index.ts';
import { supervisor } from './resources/supervisor/index.ts';
import { swap } from './resources/swap/index.ts';
import { symlinks } from './resources/symlinks/index.ts';
import { users } from './resources/users/index.ts';

/** Every kind with its implementation: a kind in the schema without a line here does not compile. */
export const registry: { readonly [K in Kind]: ResourceType<SpecOf[K]> } = {
  repositories,
  packages,
  groups,
  users,
  directories,
  symlinks,
  files,
  services,
  releases,
  supervisor,
  nginx,
  postgres,
  certificates,
  swap,
};
