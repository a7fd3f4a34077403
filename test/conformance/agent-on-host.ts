/** The agent on a test host: put there as a package would, given a manifest, and asked by its command line. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import type { ResourceResult, RunResult } from '../../agent/engine/types.ts';
import { bundleAgent } from '../../bootstrap/bundle.ts';
import { agentSection, compileAgentSettings } from '../../desired-state/schema/agent-settings.ts';
import { expandSection } from '../../desired-state/schema/expand.ts';
import { encodeManifest, isKind, MANIFEST_FORMAT, type Mode } from '../../desired-state/schema/manifest.ts';
import type { Host } from '../hosts/host.ts';

/** Sections of a host's manifest as a user writes them, by kind; `new Secret('…')` stands for `!secret`. */
export type Sections = Readonly<Record<string, unknown>>;

export interface ManifestOptions {
  readonly revision?: string;
  readonly mode?: Mode;
}

export interface AgentResult {
  readonly code: number;
  /** What `--json` printed; rejects where nothing could be parsed. */
  readonly result: RunResult;
  readonly stderr: string;
}

const FOLDER = '/usr/lib/holdfast/agent';
const MANIFEST = '/var/lib/holdfast/manifest.json';
const PLAN_TIMEOUT_MS = 60_000;
const RUN_TIMEOUT_MS = 600_000;

export class AgentOnHost {
  readonly host: Host;

  private constructor(host: Host) {
    this.host = host;
  }

  /** Bundles the agent from this tree and puts it on the host. */
  static async install(host: Host): Promise<AgentOnHost> {
    const temporary = await mkdtemp(join(tmpdir(), 'holdfast-bundle-'));
    try {
      // Into a folder that is there already, it would be copied beside what that holds: an image's older agent.
      await host.sh(`rm -rf ${FOLDER}`);
      await host.copyIn(await bundleAgent(join(temporary, 'agent')), FOLDER);
    } finally {
      await rm(temporary, { recursive: true });
    }
    await host.sh(`ln -sf ${FOLDER}/holdfast-agent /usr/bin/holdfast-agent; install -d -m 0700 /var/lib/holdfast`);
    return new AgentOnHost(host);
  }

  /** Compiles the sections and writes them where the agent finds its manifest. */
  async writeManifest(sections: Sections, options: ManifestOptions = {}): Promise<void> {
    await this.host.writeFile(MANIFEST, compileSections(this.host.name, sections, options), '0600');
  }

  /** Exit codes: 0 nothing to change, 2 changes pending, 1 something could not be looked at. */
  plan(...options: readonly string[]): Promise<AgentResult> {
    return this.#json(['plan', ...options], PLAN_TIMEOUT_MS);
  }

  /** Exit codes: 0 converged, 1 something is not in order, 75 locked (which has no JSON and rejects). */
  run(...options: readonly string[]): Promise<AgentResult> {
    return this.#json(['run', '--once', ...options], RUN_TIMEOUT_MS);
  }

  async #json(argv: readonly string[], timeout_ms: number): Promise<AgentResult> {
    const { code, stdout, stderr } = await this.host.exec(['holdfast-agent', ...argv, '--json'], { timeout_ms });
    if (!stdout.startsWith('{'))
      throw new Error(`holdfast-agent ${argv.join(' ')}: exit code ${code}\n${stdout}${stderr}`);
    const result: RunResult = JSON.parse(stdout);
    return { code: code ?? 1, result, stderr };
  }
}

/** The text of a manifest. Fails with every issue that the schema finds. */
export function compileSections(host: string, sections: Sections, options: ManifestOptions = {}): string {
  const { revision = 'test', mode = 'enforce' } = options;
  const resources = Object.entries(sections).flatMap(([kind, section]) => {
    assert.ok(isKind(kind), `there is no kind "${kind}"`);
    const { resources: expanded, issues } = expandSection(kind, section);
    assert.deepEqual(issues, [], `section ${kind}`);
    return expanded;
  });
  const agent = compileAgentSettings(v.parse(agentSection, {}));
  const envelope = { format: MANIFEST_FORMAT, host, revision, environment: 'test', roles: [], mode, agent };
  return encodeManifest(envelope, resources);
}

/** The result of one resource, by `kind/name`. */
export function resourceOf(result: RunResult, ref: string): ResourceResult {
  const found = result.resources.find(({ kind, name }) => `${kind}/${name}` === ref);
  assert.ok(
    found !== undefined,
    `the manifest has no ${ref}: ${result.resources.map((at) => `${at.kind}/${at.name}`).join(', ')}`,
  );
  return found;
}

/** Everything that is not as declared, one line each; empty where all is. For messages of failed assertions too. */
export function differences({ resources }: RunResult): readonly string[] {
  return resources.flatMap(({ kind, name, status, changes, error, blockedBy }) => {
    const own = changes.map(({ summary, outcome }) => `${kind}/${name}: ${status}: ${summary} (${outcome})`);
    const because = error ?? (blockedBy === undefined ? undefined : `by ${blockedBy.kind}/${blockedBy.name}`);
    return because === undefined ? own : [...own, `${kind}/${name}: ${status}: ${because}`];
  });
}
