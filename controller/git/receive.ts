import { realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Compilation } from '../compile/compile.ts';
import type { Tree } from '../compile/tree.ts';
import type { Log } from '../intake/intake.ts';
import { type Refusal, RefusedRevision, refusalText } from '../source/refusal.ts';
import { plain } from '../store/plain.ts';
import type { HookCall, Say } from './hook-socket.ts';
import type { HostedRepository, Quarantine } from './hosted-repository.ts';
import type { Pushes } from './http-backend.ts';
import { diffLines, planLines, some } from './plan-text.ts';
import type { AuditLog, Candidate, Compiler, Planner, Pusher, Refused, Rollouts } from './ports.ts';
import { tellProgress } from './progress.ts';
import { type Asked, judge, parseUpdates } from './push-rules.ts';
import type { AllowedSigners, RunGit } from './signatures.ts';

/** Makes an accepted push known to the other controllers before git moves the branch here. */
export interface Sharing {
  /** Whether it is the next after `old`; `false` where another push came first. */
  offer(
    push: { readonly old: string | undefined; readonly revision: string },
    quarantine: Quarantine | undefined,
  ): Promise<boolean>;
  /** The branch is there and its rollout has begun: the others may look. */
  announce(revision: string): Promise<void>;
  /** The branch as the others see it is the branch here. */
  catchUp(): Promise<void>;
}

export interface ReceiveOptions {
  readonly repository: HostedRepository;
  readonly pushes: Pushes;
  readonly compiler: Compiler;
  readonly planner: Planner;
  readonly rollouts: Rollouts;
  readonly audit: AuditLog;
  readonly refused: Refused;
  readonly log: Log;
  readonly now_ms: () => number;
  readonly signers?: AllowedSigners | undefined;
  readonly sharing?: Sharing | undefined;
  readonly bounds?: Partial<ReceiveBounds>;
}

export interface ReceiveBounds {
  /** For the dry runs of a push, and of a preview, which is asked for nothing else. */
  readonly plan_ms: number;
  readonly preview_ms: number;
  /** How long a push waits for its hosts. */
  readonly follow_ms: number;
}

const BOUNDS: ReceiveBounds = { plan_ms: 3_000, preview_ms: 60_000, follow_ms: 300_000 };

/** A push that has been accepted and whose branch git is about to move. */
interface Accepted {
  readonly candidate: Candidate;
  readonly compilation: Compilation;
}

/** More than pushes at once; what is not there any more is compiled again. */
const KEPT = 16;

/**
 * What happens when somebody pushes. Before git takes it: compile for every host, refuse with every issue or say what it
 * would do. After: begin the rollout and tell how it goes. That the branch has moved is what counts; everything else of a
 * push may be lost and is made up for by `moved()`.
 */
export class Receive {
  readonly #options: ReceiveOptions;
  readonly #bounds: ReceiveBounds;
  readonly #accepted = new Map<string, Accepted>();
  readonly #begun = new Map<string, Promise<void>>();

  constructor(options: ReceiveOptions) {
    this.#options = options;
    this.#bounds = { ...BOUNDS, ...options.bounds };
  }

  /** The status of the hook: 0 lets the push in. Also for `post-receive`, whose status changes nothing. */
  async handle(call: HookCall, say: Say, signal: AbortSignal): Promise<number> {
    try {
      return call.hook === 'pre-receive' ? await this.#before(call, say, signal) : await this.#after(call, say, signal);
    } catch (error) {
      if (signal.aborted) return 1;
      this.#options.log.error({ err: error, hook: call.hook }, 'a push failed');
      const what = call.hook === 'pre-receive' ? 'nothing was changed' : 'the branch has moved, and is looked at again';
      say(`the controller failed at this push; its log says why; ${what}`);
      return 1;
    }
  }

  /** The branch may have moved: what is new about it is begun. Called after pushes and whenever in doubt. */
  async moved(): Promise<void> {
    const tip = await this.#options.repository.tip();
    if (tip !== undefined) await this.#begin(tip);
  }

  /** Who has pushed it, as long as it is new. */
  candidateOf(revision: string): Candidate | undefined {
    return this.#accepted.get(revision)?.candidate;
  }

  async #before(call: HookCall, say: Say, signal: AbortSignal): Promise<number> {
    const { repository } = this.#options;
    const by = this.#pusherOf(call);
    if (by === undefined) {
      say('this push is over: push again');
      return 1;
    }
    const asked = judge(parseUpdates(call.input), repository.branch);
    if (asked.type === 'refused') return this.#refuse(by, 'refs', [asked.why], say);
    const quarantine = quarantineOf(call, repository.path);
    const run: RunGit = (args) => repository.run(args, quarantine);
    const type = await run(['cat-file', '-t', asked.revision]);
    if (type !== 'commit') {
      return this.#refuse(by, asked.revision, [`a ${type} is pushed where a commit is expected`], say);
    }
    const subject = await run(['show', '--no-patch', '--no-notes', '--format=%s', asked.revision]);
    const candidate = { revision: asked.revision, subject, by };
    const refuse = async (why: readonly Refusal[], lines: readonly string[]): Promise<number> => {
      const status = await this.#refuse(by, asked.revision, lines, say);
      // A preview is offered to no host: it only asks.
      if (asked.type === 'deploy') await this.#options.refused(candidate, why);
      return status;
    };
    const problems = await this.#problems(asked, by, run);
    if (problems.length > 0) return refuse(problems.map(asRefusal), problems);
    let tree: Tree;
    try {
      tree = await repository.readTree(asked.revision, quarantine, signal);
    } catch (error) {
      if (!(error instanceof RefusedRevision)) throw error;
      const { reasons } = error;
      return refuse(
        reasons.map(asRefusal),
        reasons.map((reason) => `${reason}: nothing was changed`),
      );
    }
    const compilation = await this.#options.compiler.compile(tree, asked.revision);
    const { issues } = compilation;
    if (issues.length > 0) {
      const count = `${issues.length} ${issues.length === 1 ? 'issue' : 'issues'}`;
      return refuse(issues, [...issues.map(refusalText), `${count}: nothing was changed`]);
    }
    await this.#tellPlan(asked, compilation, say, signal);
    if (signal.aborted) return 1;
    if (asked.type === 'preview') {
      await this.#record(by, 'preview', asked.revision, { name: asked.name, subject });
      return 0;
    }
    if ((await this.#options.sharing?.offer(asked, quarantine)) === false) {
      await this.#options.sharing?.catchUp();
      const late = ['another push came first: git pull, and push again'];
      return refuse(late.map(asRefusal), late);
    }
    this.#remember({ candidate, compilation });
    return 0;
  }

  /** What speaks against the push before anything of its tree is read. */
  async #problems(asked: Exclude<Asked, { type: 'refused' }>, by: Pusher, run: RunGit): Promise<readonly string[]> {
    const { repository, signers } = this.#options;
    const known = asked.type === 'deploy' ? asked.old : await repository.tip();
    if (asked.type === 'deploy' && asked.old !== undefined && by.role !== 'admin') {
      const base = await run(['merge-base', asked.old, asked.revision]).catch(() => '');
      if (base !== asked.old) {
        return [
          `this rewrites "${repository.branch}": ${asked.old.slice(0, 10)} would not be part of it any more;`,
          'git pull --rebase and push again; to force it takes a token with the role admin',
        ];
      }
    }
    return signers === undefined ? [] : signers.refusals(asked.revision, known, run);
  }

  async #tellPlan(
    asked: Exclude<Asked, { type: 'refused' }>,
    compilation: Compilation,
    say: Say,
    signal: AbortSignal,
  ): Promise<void> {
    const preview = asked.type === 'preview';
    const bound_ms = preview ? this.#bounds.preview_ms : this.#bounds.plan_ms;
    const planned = await this.#options.planner.plan(compilation, { bound_ms, signal });
    // Those that wait for something are told of below.
    const plans = planned.filter(({ host }) => !compilation.pending.has(host));
    if (preview) for (const line of diffLines(plans)) say(line);
    for (const line of planLines(plans)) say(line);
    for (const [reason, hosts] of byReason(compilation)) say(`${some(hosts)}: nothing yet (${reason})`);
    say(preview ? 'this was a preview: nothing was changed' : 'accepted; Ctrl-C only lets go of this terminal');
  }

  async #after(call: HookCall, say: Say, signal: AbortSignal): Promise<number> {
    const { repository, rollouts, now_ms } = this.#options;
    const asked = judge(parseUpdates(call.input), repository.branch);
    if (asked.type === 'preview') await repository.deleteRef(asked.ref);
    if (asked.type !== 'deploy') return 0;
    // Not this revision: of two pushes in a row, the hook of the first may come last.
    await this.moved();
    const bound = AbortSignal.timeout(this.#bounds.follow_ms);
    const events = rollouts.follow(asked.revision, AbortSignal.any([signal, bound]));
    await tellProgress({ events, say, signal, bound, bound_ms: this.#bounds.follow_ms, now_ms });
    return 0;
  }

  /** Once per revision and time that the branch came to it. */
  #begin(revision: string): Promise<void> {
    const known = this.#begun.get(revision);
    if (known !== undefined) return known;
    const begun = this.#beginNow(revision);
    // What comes back later is begun again; what fails is tried again at the next look.
    this.#begun.clear();
    this.#begun.set(revision, begun);
    begun.catch(() => this.#begun.delete(revision));
    return begun;
  }

  async #beginNow(revision: string): Promise<void> {
    const { repository, rollouts } = this.#options;
    const accepted = this.#accepted.get(revision);
    const candidate: Candidate = accepted?.candidate ?? {
      revision,
      subject: await repository.run(['show', '--no-patch', '--no-notes', '--format=%s', revision]),
      by: { actor: 'controller', role: 'deploy', address: undefined },
    };
    await rollouts.begin(candidate, accepted?.compilation);
    this.#accepted.delete(revision);
    await repository.keep(revision);
    if (accepted !== undefined) await this.#options.sharing?.announce(revision);
    if (accepted !== undefined) await this.#record(candidate.by, 'push', revision, { subject: candidate.subject });
  }

  #remember(accepted: Accepted): void {
    this.#accepted.set(accepted.candidate.revision, accepted);
    for (const revision of this.#accepted.keys()) {
      if (this.#accepted.size <= KEPT) break;
      this.#accepted.delete(revision);
    }
  }

  async #refuse(by: Pusher, subject: string, lines: readonly string[], say: Say): Promise<number> {
    for (const line of lines) say(line);
    await this.#record(by, 'push.refused', subject, { why: lines.slice(0, 20).map(plain) });
    return 1;
  }

  async #record(by: Pusher, action: string, subject: string, detail: Record<string, unknown>): Promise<void> {
    await this.#options.audit.record({ actor: by.actor, address: by.address, action, subject, detail });
  }

  /** Over HTTP who was let in; otherwise the user of this machine who could open the socket. */
  #pusherOf(call: HookCall): Pusher | undefined {
    if (call.push !== undefined) return this.#options.pushes.of(call.push);
    return { actor: `user:${call.user ?? call.uid}`, role: 'admin', address: call.from };
  }
}

function asRefusal(message: string): Refusal {
  return { message };
}

/** Only objects of this repository, wherever the hook says that it stands. */
function quarantineOf(call: HookCall, path: string): Quarantine | undefined {
  if (call.objects === undefined) return undefined;
  const objects = resolve(call.directory, call.objects);
  const own = `${realpathSync(path)}/objects`;
  if (!realpathSync(objects).startsWith(`${own}/`))
    throw new Error(`objects of a push are in ${objects}, outside of ${own}`);
  return { objects, alternates: own };
}

function byReason({ pending }: Compilation): ReadonlyMap<string, readonly string[]> {
  const reasons = new Map<string, string[]>();
  for (const { host, reasons: why } of pending.values()) {
    const text = why.join('; ');
    reasons.set(text, [...(reasons.get(text) ?? []), host]);
  }
  return reasons;
}
