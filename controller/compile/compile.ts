import { createHash } from 'node:crypto';
import * as v from 'valibot';
import { agentSection, compileAgentSettings } from '../../desired-state/schema/agent-settings.ts';
import { commonEntries, hostEntries } from '../../desired-state/schema/document.ts';
import type { OwnedPath } from '../../desired-state/schema/expand.ts';
import { explain } from '../../desired-state/schema/explain.ts';
import type { KindDefinition } from '../../desired-state/schema/kind.ts';
import { kinds } from '../../desired-state/schema/kinds.ts';
import {
  type AgentSettings,
  joinManifest,
  MANIFEST_FORMAT,
  type Mode,
  modeSchema,
  type RawResource,
} from '../../desired-state/schema/manifest.ts';
import { ROLLOUT_DEFAULTS, type RolloutSettings, rolloutSection } from '../../desired-state/schema/rollout.ts';
import { pack } from '../packing.ts';
import type { HostFacts } from './address.ts';
import { buildContext, hostsOfEnvironment } from './context.ts';
import { type Credentials, credentialsOf } from './credentials.ts';
import { type CompiledSection, compileSection, isWhole, KnownEntries, report, sectionsOf } from './expansion.ts';
import { type InventoryHost, takeInventory } from './inventory.ts';
import { type Issue, Issues, type Place } from './issue.ts';
import { checkSections, checkUnused, readLayers } from './layers.ts';
import { type LocatedEntry, placeAt } from './located.ts';
import { BROKEN, type Names } from './lookup.ts';
import { findCycles, findDangling, type Requirer, refName } from './requires.ts';
import { type KnownSecrets, knownSecrets, type Opened } from './sealed.ts';
import type { Secrets } from './secrets.ts';
import { evaluate, type Workshop } from './section.ts';
import { Templates } from './template.ts';
import { checkTree, type Tree } from './tree.ts';

export interface CompileOptions {
  /** The git commit, or any other name of what is compiled. */
  readonly revision: string;
  /** How many revisions the controller has taken in; tells a rollback from something outdated. */
  readonly sequence?: number;
  /**
   * Those of the file outside of git. `undefined` when they are not at hand, as when a tree is checked elsewhere: then the
   * names of the secrets in git are known, and where there are none any name passes.
   */
  readonly secrets: Secrets | undefined;
  /** Those in git, see `SealedOptions`. */
  readonly opened?: Opened | 'names' | undefined;
  /** What makes `{{version.NAME}}` useless to who guesses texts; the same for all controllers of a repository. */
  readonly versionKey?: Buffer;
  /** What the hosts have reported, by name. */
  readonly facts: ReadonlyMap<string, HostFacts>;
  /** Put before paths in issues, for example `desired-state/`. */
  readonly prefix?: string;
}

export interface CompiledHost {
  readonly host: string;
  readonly environment: string;
  readonly roles: readonly string[];
  /** What the host gets, with the secrets in clear: JSON, packed by gzip as it is kept and sent. */
  readonly packed: Buffer;
  /** Of everything in the text but the revision: two revisions that mean the same for the host have the same one. */
  readonly etag: string;
  readonly resources: number;
  /** How new revisions reach it; no part of the manifest. */
  readonly rollout: RolloutSettings;
  readonly credentials: Credentials;
}

/** A host whose manifest needs something that is not known yet; nothing is wrong with the tree. */
export interface PendingHost {
  readonly host: string;
  readonly reasons: readonly string[];
}

export interface Compilation {
  readonly revision: string;
  readonly sequence: number;
  readonly hosts: ReadonlyMap<string, CompiledHost>;
  readonly pending: ReadonlyMap<string, PendingHost>;
  /**
   * Hosts whose addresses some manifest is made of, or waits for, with those that they had reported by then: another address
   * of one of them means other manifests.
   */
  readonly asked: ReadonlyMap<string, readonly string[]>;
  /** Of the whole tree; when there is one, no manifest of this revision is for use. */
  readonly issues: readonly Issue[];
}

/** Compiles the manifests of all hosts of a tree, or finds everything that is wrong with it. Pure. */
export function compileTree(tree: Tree, options: CompileOptions): Compilation {
  const steps = compileSteps(tree, options);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** The same in steps of a few milliseconds, one per host, for a process that has other things to do in between. */
export function* compileSteps(tree: Tree, options: CompileOptions): Generator<void, Compilation, void> {
  const issues = new Issues();
  const display = (path: string): string => `${options.prefix ?? ''}${path}`;
  checkTree(tree, display, issues);
  const layers = readLayers(tree, display, issues);
  const all = [...layers.environment.values(), ...layers.role.values(), ...layers.host.values()];
  for (const layer of all) checkSections(layer, issues);
  if (layers.host.size === 0) {
    issues.add({ file: display('hosts'), line: 1, column: 1 }, 'there is no host: expected files hosts/<name>.yaml');
  }
  const secrets = knownSecrets(tree, { outside: options.secrets, opened: options.opened, display }, issues);
  const inventory = takeInventory(layers, options.facts, issues);
  for (const layer of all) if (!inventory.used.has(layer)) checkUnused(layer, issues);
  const asked = new Set<string>();
  const environments = new Map(
    [...layers.environment.keys()].map((name) => [name, hostsOfEnvironment(name, inventory, asked)]),
  );
  const [templates, entries] = [new Templates(), new KnownEntries()];
  const shared = { tree, display, issues, environments, secrets, asked, templates, entries, options };
  const hosts = new Map<string, CompiledHost>();
  const pending = new Map<string, PendingHost>();
  for (const host of inventory.hosts) {
    const compiled = compileHost(host, shared);
    if ('reasons' in compiled) pending.set(host.name, compiled);
    else hosts.set(host.name, compiled);
    yield;
  }
  return {
    revision: options.revision,
    sequence: options.sequence ?? 0,
    hosts,
    pending,
    asked: new Map([...asked].map((name) => [name, options.facts.get(name)?.addresses ?? []])),
    issues: issues.sorted(),
  };
}

interface Shared {
  readonly tree: Tree;
  readonly display: (path: string) => string;
  readonly issues: Issues;
  readonly environments: ReadonlyMap<string, Names>;
  readonly secrets: KnownSecrets;
  readonly asked: Set<string>;
  readonly templates: Templates;
  readonly entries: KnownEntries;
  readonly options: CompileOptions;
}

function compileHost(host: InventoryHost, shared: Shared): CompiledHost | PendingHost {
  const pending = new Set<string>();
  const context = buildContext({
    host,
    hosts: shared.environments.get(host.environment) ?? NO_HOSTS,
    secrets: shared.secrets,
    versionKey: shared.options.versionKey ?? NO_KEY,
    asked: shared.asked,
    evaluate: (value) => evaluate(value, [], work),
    cycle: (value, name) => shared.issues.add(value.place, `variable "${name}" needs itself`, host.name),
  });
  const work: Workshop = { ...shared, host: host.name, kind: '', context, pending };
  for (const name of context.vars.names()) context.vars.get(name);
  const { rollout, ...envelope } = compileEnvelope(host, work);
  const sections = sectionsOf(host).map((section) =>
    compileSection(section, { ...work, kind: section.kind }, shared.entries),
  );
  checkHost(sections, work);
  if (pending.size > 0) return { host: host.name, reasons: [...pending].sort() };
  const resources = spareOwned(sections);
  const manifest = {
    format: MANIFEST_FORMAT,
    host: host.name,
    environment: host.environment,
    roles: host.roles,
    ...envelope,
  };
  const encoded = resources.map((resource) => shared.entries.encode(resource));
  const meaning = joinManifest({ ...manifest, revision: '' }, encoded);
  const etag = `W/"${createHash('sha256').update(meaning).digest('base64url')}"`;
  const { revision, sequence } = shared.options;
  const text = joinManifest({ ...manifest, revision, ...(sequence === undefined ? {} : { sequence }) }, encoded);
  const { name, environment, roles } = host;
  const credentials = credentialsOf(resources);
  const packed = pack(text);
  return { host: name, environment, roles, etag, resources: resources.length, rollout, credentials, packed };
}

const NO_KEY = Buffer.alloc(0);
const NO_HOSTS: Names = { names: () => [], get: () => undefined };

interface Envelope {
  readonly mode: Mode;
  readonly agent: AgentSettings;
  readonly rollout: RolloutSettings;
}

function compileEnvelope(host: InventoryHost, work: Workshop): Envelope {
  const read = (key: string, schema: v.GenericSchema): unknown => {
    const entry = host.merged.entries.get(key);
    if (entry === undefined) return undefined;
    const value = evaluate(entry.value, [schema], work);
    if (value === BROKEN) return undefined;
    for (const issue of explain(schema, value)) report(issue, entry, work);
    return value;
  };
  for (const key of ['address', 'vars'] as const) read(key, { ...commonEntries, ...hostEntries }[key]);
  const mode = v.safeParse(modeSchema, read('mode', modeSchema));
  const agent = v.safeParse(agentSection, read('agent', agentSection) ?? {});
  const settings = agent.success ? agent.output : v.parse(agentSection, {});
  const rollout = v.safeParse(rolloutSection, read('rollout', rolloutSection) ?? {});
  return {
    mode: mode.success ? mode.output : 'enforce',
    agent: compileAgentSettings(settings),
    rollout: rollout.success ? rollout.output : ROLLOUT_DEFAULTS,
  };
}

/** What concerns several resources of a host: requirements and owners. */
function checkHost(sections: readonly CompiledSection[], work: Workshop): void {
  const requirers = sections.flatMap(requirersOf);
  for (const issue of [...findDangling(requirers), ...findCycles(requirers)]) {
    work.issues.add(issue.place, issue.message, work.host);
  }
  checkOwners(sections, work);
}

function requirersOf({ kind, entry, expansion }: CompiledSection): readonly Requirer[] {
  const whole: [string, LocatedEntry] = [kind, entry];
  const entries = isWhole(kind) ? [whole] : entry.value.type === 'map' ? [...entry.value.entries] : [];
  return entries.map(([name, { value }]) => {
    const written = value.type === 'map' ? value.entries.get('requires')?.value : undefined;
    if (written?.type !== 'list') return { name: `${kind}/${name}`, requires: [] };
    const resource = expansion.resources.find((one) => one.name === name);
    const requires = written.items.flatMap((item, index) => {
      const ref = resource?.requires[index];
      const text = item.type === 'scalar' && typeof item.value === 'string' ? item.value : '{{';
      if (ref === undefined && text.includes('{{')) return [];
      return [{ name: ref === undefined ? text : refName(ref), place: item.place }];
    });
    return { name: `${kind}/${name}`, requires };
  });
}

/** Tells each resource that wants to know what is owned. */
function spareOwned(sections: readonly CompiledSection[]): readonly RawResource[] {
  let known: readonly string[] | undefined;
  return sections.flatMap(({ kind, expansion }) => {
    const definition: KindDefinition = kinds[kind];
    if (definition.sparing === undefined) return expansion.resources;
    known ??= sections.flatMap((section) => section.expansion.owned.map(({ path }) => path)).sort();
    const owned = known;
    return expansion.resources.map((resource) => {
      const spec = definition.sparing?.(resource.name, resource.spec, owned);
      return spec === resource.spec ? resource : { ...resource, spec };
    });
  });
}

function checkOwners(sections: readonly CompiledSection[], work: Workshop): void {
  const owners = new Map<string, { readonly owner: OwnedPath; readonly place: Place }>();
  for (const { entry, expansion } of sections) {
    for (const owner of expansion.owned) {
      const path = owner.path.replace(/(?<=.)\/+$/, '');
      const place = placeAt(entry.value, owner.at, 'key', entry.keyPlace);
      const other = owners.get(path);
      if (other === undefined) owners.set(path, { owner, place });
      else {
        const at = `${other.place.file}:${other.place.line}:${other.place.column}`;
        const names = `${owner.by.kind}/${owner.by.name} and ${other.owner.by.kind}/${other.owner.by.name} (${at})`;
        work.issues.add(place, `two owners of ${path}: ${names}; keep one of them`, work.host);
      }
    }
  }
}
