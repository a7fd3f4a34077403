import * as v from 'valibot';
import { type AgentSettings, agentSettingsSchema } from './agent-settings.ts';
import type { KindDefinition, ResourceRef } from './kind.ts';
import { type Kind, kinds, type SpecOf } from './kinds.ts';
import { fromWire, holdsSecret, toWire } from './secret.ts';

/**
 * Version of the compiled manifest. An agent accepts its own major version and at most one minor version more: unknown
 * keys of a newer minor version are ignored there, and a newer major version is refused with a clear error.
 */
export const MANIFEST_FORMAT = { major: 1, minor: 0 } as const;

export type { AgentSettings };

/** `enforce` repairs drift; `report` only says what differs. */
export const modeSchema = v.picklist(['enforce', 'report'], 'expected "enforce" or "report"');
export type Mode = v.InferOutput<typeof modeSchema>;

export type ResourceOf<K extends Kind> = {
  readonly kind: K;
  readonly name: string;
  readonly spec: SpecOf[K];
  /** Declared with `requires:`; the compiler has checked that each exists. */
  readonly requires: readonly ResourceRef[];
  /** Overrides the manifest's mode for this resource. */
  readonly mode?: Mode | undefined;
};

/** One resource of a manifest, discriminated by `kind`. */
export type Resource = { [K in Kind]: ResourceOf<K> }[Kind];

/** What one host shall be: the answer of `GET /v1/hosts/:host/manifest`, and what the agent keeps on disk. */
export interface Manifest {
  readonly format: { readonly major: number; readonly minor: number };
  readonly host: string;
  /** The git commit that it was compiled from. */
  readonly revision: string;
  /**
   * Raised by the controller with every revision that it takes in, whatever the commit's date, and kept over its restarts;
   * so that an agent can tell a rollback (higher) from a controller that serves something outdated (lower).
   */
  readonly sequence?: number | undefined;
  readonly environment: string;
  readonly roles: readonly string[];
  readonly mode: Mode;
  readonly agent: AgentSettings;
  readonly resources: readonly Resource[];
}

const envelopeSchema = v.object({
  format: v.object({ major: v.number(), minor: v.number() }),
  host: v.string(),
  revision: v.string(),
  sequence: v.optional(v.number()),
  environment: v.string(),
  roles: v.array(v.string()),
  mode: modeSchema,
  agent: agentSettingsSchema,
  resources: v.array(
    v.object({
      kind: v.string(),
      name: v.string(),
      spec: v.unknown(),
      requires: v.array(v.object({ kind: v.string(), name: v.string() })),
      mode: v.optional(modeSchema),
    }),
  ),
});

/** What is wrong with a manifest that came over the wire or from disk. */
export class ManifestError extends Error {
  override readonly name = 'ManifestError';
}

export function isKind(kind: string): kind is Kind {
  return Object.hasOwn(kinds, kind);
}

/**
 * JSON text of a manifest, with its secrets in clear. Specs travel in their input form (`raw`), because a parsed spec is
 * not always valid input again (a mode is a number there, a duration milliseconds).
 */
export function encodeManifest(manifest: Omit<Manifest, 'resources'>, raw: readonly RawResource[]): string {
  return joinManifest(manifest, raw.map(encodeResource));
}

/** The same from resources that are encoded already, as those that many hosts share. */
export function joinManifest(manifest: Omit<Manifest, 'resources'>, encoded: readonly string[]): string {
  return `${JSON.stringify(manifest).slice(0, -1)},"resources":[${encoded.join(',')}]}`;
}

export function encodeResource(raw: RawResource): string {
  return JSON.stringify(holdsSecret(raw) ? toWire(raw) : raw);
}

/** A resource whose spec has not been parsed by its kind's schema, or stands as it stood before. */
export interface RawResource {
  readonly kind: string;
  readonly name: string;
  readonly spec: unknown;
  readonly requires: readonly ResourceRef[];
  readonly mode?: Mode | undefined;
}

/** Parses and checks the whole of a manifest. Throws `ManifestError`; the text may be garbage. */
export function decodeManifest(text: string): Manifest {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // Not the parser's own message: it quotes the text, in which secrets stand in clear.
    throw new ManifestError(`the manifest is not JSON (${text.length} characters)`);
  }
  const envelope = v.safeParse(envelopeSchema, fromWire(json));
  if (!envelope.success) throw new ManifestError(`the manifest is malformed: ${issueText(envelope.issues[0])}`);
  const { format } = envelope.output;
  if (format.major !== MANIFEST_FORMAT.major) {
    throw new ManifestError(
      `the manifest has format ${format.major}.${format.minor}, this agent understands ${MANIFEST_FORMAT.major}.x: upgrade the older side`,
    );
  }
  return { ...envelope.output, resources: envelope.output.resources.map(parseResource) };
}

/** Parses one resource by its kind's schema. Throws `ManifestError`. */
export function parseResource(raw: RawResource): Resource {
  if (!isKind(raw.kind)) throw new ManifestError(`the manifest has a resource of unknown kind "${raw.kind}"`);
  const definition: KindDefinition = kinds[raw.kind];
  const named = v.safeParse(definition.names ?? v.string(), raw.name);
  if (!named.success) throw new ManifestError(`${raw.kind}/${raw.name}: ${named.issues[0].message}`);
  const parsed = v.safeParse(definition.entry, raw.spec);
  if (!parsed.success) {
    throw new ManifestError(`${raw.kind}/${raw.name} is malformed: ${issueText(parsed.issues[0])}`);
  }
  const spec = { ...(parsed.output as object), name: raw.name };
  // The schema of the kind has just produced this spec; TypeScript cannot follow the link from a kind to its output.
  return { ...raw, spec } as Resource;
}

function issueText(issue: v.BaseIssue<unknown>): string {
  const path = v.getDotPath(issue);
  return path === null ? issue.message : `${path}: ${issue.message}`;
}
