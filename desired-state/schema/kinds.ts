import { certificates } from './certificates.ts';
import { directories } from './directories.ts';
import { files } from './files.ts';
import { groups } from './groups.ts';
import type { SpecOfDefinition } from './kind.ts';
import { nginx } from './nginx.ts';
import { packages } from './packages.ts';
import { postgres } from './postgres.ts';
import { releases } from './releases.ts';
import { repositories } from './repositories.ts';
import { services } from './services.ts';
import { supervisor } from './supervisor.ts';
import { swap } from './swap.ts';
import { symlinks } from './symlinks.ts';
import { users } from './users.ts';

/** The kind table: every section of a manifest that declares resources, in the order in which the reference lists them. */
export const kinds = {
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
} as const;

export type Kind = keyof typeof kinds;
export type SpecOf = { readonly [K in Kind]: SpecOfDefinition<(typeof kinds)[K]> };
