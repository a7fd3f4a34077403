import * as v from 'valibot';
import { agentSection } from './agent-settings.ts';
import { metaSchema } from './expand.ts';
import type { KindDefinition } from './kind.ts';
import { kinds } from './kinds.ts';
import { modeSchema } from './manifest.ts';
import { rolloutSection } from './rollout.ts';
import { alternatives } from './walk.ts';

/** The files that a user writes: `hosts/<name>.yaml`, `roles/<name>.yaml`, `environments/<name>.yaml`. */
export type LayerType = 'host' | 'role' | 'environment';

/** What every layer may hold beside the sections of the kinds. */
export const commonEntries = {
  mode: v.optional(
    v.pipe(modeSchema, v.description('`enforce` repairs drift, `report` only reports it. Default: `enforce`.')),
  ),
  network: v.optional(
    v.pipe(
      v.string('expected a network such as "10.0.0.0/8"'),
      v.description('Network in CIDR notation: of the addresses that a host reports, the one inside it is used.'),
    ),
  ),
  vars: v.optional(
    v.pipe(
      v.record(v.string(), v.unknown(), 'expected a map'),
      v.description('Values for templates: `{{vars.name}}`.'),
    ),
  ),
  agent: v.optional(v.pipe(agentSection, v.description('How the agent of the host works.'))),
  rollout: v.optional(v.pipe(rolloutSection, v.description('How a new revision reaches the hosts.'))),
};

/** What only the file of a host may hold. */
export const hostEntries = {
  address: v.optional(
    v.pipe(
      v.string('expected an IP address or a host name'),
      v.regex(/^[\w.:-]+$/, 'expected an IP address or a host name'),
      v.description('Where other hosts reach this one. Default: an address that the host has reported itself.'),
    ),
  ),
  environment: v.pipe(
    v.string('expected the name of an environment'),
    v.description('The environment of the host, a file in `environments/`.'),
  ),
  roles: v.optional(
    v.pipe(
      v.array(v.string('expected the name of a role'), 'expected a list of roles'),
      v.description('Roles of the host, files in `roles/`; a later one goes over an earlier one.'),
    ),
    [],
  ),
};

/** The whole of each file, for editors, the reference, and what can be said of a file alone. */
export const documentSchemas = {
  host: v.strictObject({ ...hostEntries, ...commonEntries, ...sections() }),
  role: v.strictObject({ ...commonEntries, ...sections() }),
  environment: v.strictObject({ ...commonEntries, ...sections() }),
} satisfies { readonly [T in LayerType]: v.GenericSchema };

function sections(): Record<string, v.OptionalSchema<v.GenericSchema, undefined>> {
  return Object.fromEntries(
    Object.entries(kinds).map(([kind, definition]) => [kind, v.optional(sectionSchema(definition))]),
  );
}

/** What may stand in the section of a kind. */
function sectionSchema(definition: KindDefinition): v.GenericSchema {
  const entry = withMeta(definition.entry);
  const section = definition.form === 'whole' ? entry : v.record(v.string(), withShorthands(entry, definition));
  return v.pipe(section, v.description(definition.description));
}

function withShorthands(entry: v.GenericSchema, { shorthands }: KindDefinition): v.GenericSchema {
  const words = Object.keys(shorthands ?? {});
  return words.length === 0 ? entry : v.union([v.picklist(words), entry]);
}

/** The entry of a kind with the generic keys beside its own. */
function withMeta(entry: v.GenericSchema): v.GenericSchema {
  const all = alternatives(entry).map((one) => {
    if (one.type === 'strict_object' && one.entries !== undefined) {
      return v.strictObject({ ...metaSchema.entries, ...one.entries });
    }
    return one.type === 'record' && one.value !== undefined ? v.objectWithRest(metaSchema.entries, one.value) : one;
  });
  return all.length === 1 && all[0] !== undefined ? all[0] : v.union(all);
}
