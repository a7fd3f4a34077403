import type { Case } from '../case.ts';
import { accounts } from './accounts.ts';
import { certificates } from './certificates.ts';
import { directories, files, swap, symlinks } from './files.ts';
import { nginxCases } from './nginx.ts';
import { packages, repositories } from './packages.ts';
import { postgresCases } from './postgres.ts';
import { releases } from './releases.ts';
import { services } from './services.ts';
import { supervisor } from './supervisor.ts';

/** The kinds in which most cases exclude each other come first: the others then find room in their rounds. */
export const CASES: readonly Case[] = [
  ...releases,
  ...postgresCases,
  ...nginxCases,
  ...certificates,
  ...supervisor,
  ...files,
  ...directories,
  ...symlinks,
  ...swap,
  ...accounts,
  ...services,
  ...repositories,
  ...packages,
];
