import { decodeManifest } from '../../desired-state/schema/manifest.ts';
import { PREVIEW_LIMITS, type Preview } from '../../desired-state/schema/preview.ts';
import type { Engine } from '../engine/engine.ts';
import { type RunResult, refText } from '../engine/types.ts';
import { ControllerError } from './controller-client.ts';
import { cut } from './report.ts';

export interface PreviewsOptions {
  readonly host: string;
  /** An engine of its own for each: one that can look and not change. */
  readonly engine: () => Engine;
  readonly send: (id: string, preview: Preview) => Promise<void>;
  readonly onProblem: (message: string) => void;
}

/** Who asks waits for seconds: what has not begun by then is of no use. */
const MAX_WAITING = 4;

/** Says what a manifest would change here, and touches nothing: neither the host nor what runs on it. One at a time. */
export class Previews {
  readonly #options: PreviewsOptions;
  #waiting = 0;
  #last: Promise<void> = Promise.resolve();

  constructor(options: PreviewsOptions) {
    this.#options = options;
  }

  /** Resolves when it is answered, or could not be. Never rejects. */
  ask(id: string, text: string): Promise<void> {
    if (this.#waiting >= MAX_WAITING) return Promise.resolve();
    this.#waiting += 1;
    this.#last = this.#last
      .then(() => this.#answer(id, text))
      .catch((error: unknown) => {
        if (isTooLate(error)) return;
        this.#options.onProblem(`a preview could not be answered: ${reasonOf(error)}`);
      })
      .finally(() => {
        this.#waiting -= 1;
      });
    return this.#last;
  }

  async #answer(id: string, text: string): Promise<void> {
    await this.#options.send(id, await this.#look(text));
  }

  async #look(text: string): Promise<Preview> {
    const { host, engine } = this.#options;
    const nothing = { host, revision: '', changes: [], more: 0 };
    try {
      const manifest = decodeManifest(text);
      if (manifest.host !== host) return { ...nothing, problems: [`the manifest is of host "${manifest.host}"`] };
      const looker = engine();
      looker.load(manifest);
      return previewOf(await looker.reconcile({ dryRun: true }));
    } catch (error) {
      return { ...nothing, problems: [cut(`this host would refuse it: ${reasonOf(error)}`)] };
    }
  }
}

/** Who asked waits for seconds, and a host may take longer: that is nobody's failure. */
function isTooLate(error: unknown): boolean {
  return error instanceof ControllerError && error.status === 404;
}

/** A dry run in the words of the wire, bounded. Pure. */
export function previewOf({ host, revision, resources }: RunResult): Preview {
  const all = resources.flatMap(({ kind, name, changes }) =>
    changes.map(({ summary, diff, hazard }) => ({
      kind,
      name,
      summary: cut(summary),
      ...(diff === undefined ? {} : { diff: cut(diff) }),
      hazard,
    })),
  );
  const problems = resources.flatMap((result) =>
    result.error === undefined ? [] : [cut(`${refText(result)}: ${result.error}`)],
  );
  const changes = all.slice(0, PREVIEW_LIMITS.changes);
  const preview = { host, revision, changes, problems, more: all.length - changes.length };
  if (Buffer.byteLength(JSON.stringify(preview)) <= PREVIEW_LIMITS.body_bytes) return preview;
  return {
    ...preview,
    changes: changes.map(({ diff: _diff, summary, ...rest }) => ({ ...rest, summary: summary.slice(0, 300) })),
  };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
