import type { SpecOfDefinition } from './kind.ts';
import { services } from './services.ts';
import { supervisor } from './supervisor.ts';

/** The kind table: every section of a manifest that declares resources, in the order in which the reference lists them. */
export const kinds = { services, supervisor } as const;

export type Kind = keyof typeof kinds;
export type SpecOf = { readonly [K in Kind]: SpecOfDefinition<(typeof kinds)[K]> };
