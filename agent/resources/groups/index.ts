import type { SpecOf } from '../../../desired-state/schema/kinds.ts';
import type { Host, HostReader } from '../../host/host.ts';
import { type Described, defineResource } from '../../resource.ts';

type GroupSpec = SpecOf['groups'];

interface GroupState {
  readonly gid: number | undefined;
  /** Users whose primary group it is: while there are any, it cannot go. */
  readonly primaryOf: readonly string[];
}

type GroupChange =
  | { readonly type: 'create'; readonly name: string; readonly gid: number | undefined; readonly system: boolean }
  | { readonly type: 'renumber'; readonly name: string; readonly from: number; readonly to: number }
  | { readonly type: 'remove'; readonly name: string; readonly primaryOf: readonly string[] };

export const groups = defineResource<GroupSpec, GroupState, GroupChange>({ observe, diff, describe, apply });

async function observe(spec: GroupSpec, host: HostReader): Promise<GroupState> {
  const gid = (await host.accounts.group(spec.name))?.gid;
  const leaves = spec.ensure === 'absent' && gid !== undefined;
  return { gid, primaryOf: leaves ? await host.accounts.usersOfPrimaryGroup(gid) : [] };
}

export function diff(spec: GroupSpec, { gid, primaryOf }: GroupState): readonly GroupChange[] {
  const { name } = spec;
  if (spec.ensure === 'absent') return gid === undefined ? [] : [{ type: 'remove', name, primaryOf }];
  if (gid === undefined) return [{ type: 'create', name, gid: spec.gid, system: spec.system }];
  if (spec.gid === undefined || spec.gid === gid) return [];
  return [{ type: 'renumber', name, from: gid, to: spec.gid }];
}

export function describe(change: GroupChange): Described {
  switch (change.type) {
    case 'create': {
      const id = change.gid === undefined ? '' : ` with gid ${change.gid}`;
      return { summary: `make the ${change.system ? 'system ' : ''}group${id}`, hazard: 'none' };
    }
    case 'renumber':
      return {
        summary: `set gid ${change.to} (is ${change.from}); files keep the old gid until their own resources change it`,
        hazard: 'destructive',
      };
    case 'remove':
      return { summary: 'remove the group', hazard: 'destructive' };
  }
}

async function apply(change: GroupChange, { run }: Host): Promise<void> {
  const { name } = change;
  switch (change.type) {
    case 'create': {
      const gid = change.gid === undefined ? [] : ['--gid', String(change.gid)];
      await run({ argv: ['groupadd', ...gid, ...(change.system ? ['--system'] : []), '--', name] });
      return;
    }
    case 'renumber':
      await run({ argv: ['groupmod', '--gid', String(change.to), '--', name] });
      return;
    case 'remove':
      if (change.primaryOf.length > 0) {
        throw new Error(
          `the group ${name} is the primary group of ${change.primaryOf.join(', ')}: give them another one, or remove them first`,
        );
      }
      await run({ argv: ['groupdel', '--', name] });
  }
}
