import { textDiff } from '../../../agent/describe.ts';
import { createEngine, type Engine, type EngineOptions, type Recollection } from '../../../agent/engine/engine.ts';
import type { DeclaredResource, EngineManifest, Registry } from '../../../agent/engine/types.ts';
import { defineResource, type Host, type HostReader, type ResourceRef, Stalled } from '../../../agent/resource.ts';
import { type MaybeSecret, reveal } from '../../../desired-state/schema/secret.ts';

/** A small host in memory with one kind, `note`: a text that stands under a name. */
export interface NoteSpec {
  readonly name: string;
  readonly text: MaybeSecret;
  readonly autoRequires?: readonly ResourceRef[];
  /** Called before each apply; what it throws is the apply's error. */
  readonly onApply?: (host: Host) => unknown;
  readonly onObserve?: () => unknown;
}

export class MemoryHost {
  readonly notes = new Map<string, string>();
  /** Names in the order in which they were written. */
  readonly written: string[] = [];
  /** Times that somebody asked for a host that can be changed. */
  writersGiven = 0;

  readonly reader: HostReader = hostWith({ readText: async (path: string) => this.notes.get(path) });

  writer(): Host {
    this.writersGiven += 1;
    return hostWith({
      readText: async (path: string) => this.notes.get(path),
      write: async (path: string, text: string) => {
        this.notes.set(path, text);
        this.written.push(path);
      },
    });
  }
}

/** A host with some file operations and nothing else: touching another port is a `TypeError`. */
function hostWith(files: object): Host {
  return { files, now: () => 0 } as unknown as Host;
}

const note = defineResource<NoteSpec, string | undefined, NoteSpec>({
  async observe(spec, host) {
    await spec.onObserve?.();
    return host.files.readText(spec.name);
  },
  diff: (spec, text) => (text === reveal(spec.text) ? [] : [spec]),
  describe: ({ name, text }) => ({ summary: `write ${name}`, diff: textDiff(name, undefined, text), hazard: 'none' }),
  async apply(spec, host) {
    await spec.onApply?.(host);
    await host.files.write(spec.name, reveal(spec.text), { uid: 0, gid: 0, mode: 0o644 });
  },
  autoRequires: (spec) => spec.autoRequires ?? [],
});

/** Stalls on every apply until `/allowed` is there. */
const stubborn = defineResource<
  NoteSpec,
  { text: string | undefined; allowed: boolean },
  { allowed: boolean; spec: NoteSpec }
>({
  async observe(spec, host) {
    return {
      text: await host.files.readText(spec.name),
      allowed: (await host.files.readText('allowed')) !== undefined,
    };
  },
  diff: (spec, { text, allowed }) => (text === reveal(spec.text) ? [] : [{ spec, allowed }]),
  describe: ({ spec, allowed }) => ({
    summary: `write ${spec.name}${allowed ? '' : ', which is refused'}`,
    hazard: 'none',
  }),
  async apply({ spec, allowed }, host) {
    await spec.onApply?.(host);
    if (!allowed) throw new Stalled('it is refused here');
    await host.files.write(spec.name, reveal(spec.text), { uid: 0, gid: 0, mode: 0o644 });
  },
});

/** Two changes for one resource. */
const pair = defineResource<NoteSpec, string | undefined, { half: string; spec: NoteSpec }>({
  observe: (spec, host) => host.files.readText(spec.name),
  diff: (spec) => ['first', 'second'].map((half) => ({ half, spec })),
  describe: ({ half }) => ({ summary: `write the ${half} half`, hazard: 'none' }),
  async apply({ spec }, host) {
    await spec.onApply?.(host);
  },
});

const testRegistry: Registry = { note, stubborn, pair };

export interface TestResource extends Partial<Omit<NoteSpec, 'name'>> {
  readonly kind?: string;
  readonly name: string;
  readonly requires?: readonly string[];
  readonly mode?: 'enforce' | 'report';
}

export function manifest(resources: readonly TestResource[], options: Partial<EngineManifest> = {}): EngineManifest {
  return {
    host: 'web-1',
    revision: 'r1',
    mode: 'enforce',
    agent: { retryFirst_ms: 1000, retryMax_ms: 60_000 },
    resources: resources.map(declared),
    ...options,
  };
}

function declared({ kind = 'note', name, requires = [], mode, ...rest }: TestResource): DeclaredResource {
  const spec: NoteSpec = { name, text: `text of ${name}`, ...rest };
  return { kind, name, spec, requires: requires.map((required) => ({ kind: 'note', name: required })), mode };
}

export interface TestEngine {
  readonly host: MemoryHost;
  readonly engine: Engine;
  /** Moves by hand. */
  readonly clock: { now_ms: number };
  /** Locks taken and not released. */
  readonly locks: { held: number; taken: number };
}

export function testEngine(
  loaded: EngineManifest,
  recollection?: Recollection,
  options: Partial<EngineOptions> = {},
): TestEngine {
  const host = new MemoryHost();
  const clock = { now_ms: 1_000_000 };
  const locks = { held: 0, taken: 0 };
  const engine = createEngine({
    registry: testRegistry,
    reader: host.reader,
    writer: () => host.writer(),
    takeLock: async () => {
      locks.held += 1;
      locks.taken += 1;
      return {
        release: async () => {
          locks.held -= 1;
        },
      };
    },
    now: () => clock.now_ms,
    random: () => 1,
    ...options,
  });
  engine.load(loaded, recollection);
  return { host, engine, clock, locks };
}
