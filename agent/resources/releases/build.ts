import { join } from 'node:path';
import { reveal } from '../../../desired-state/schema/secret.ts';
import type { Command, Output } from '../../host/commands/port.ts';
import type { Host } from '../../host/host.ts';
import { resolveOwner } from '../shared/ownership.ts';
import { BadRelease, isPassing } from './failures.ts';
import { completeTrees, type Found, findTrees } from './find-trees.ts';
import { type Layout, layoutOf, type Spec, sourceOf, type TreeKind, treeOf } from './layout.ts';
import { makeDirectories } from './ledger.ts';
import { environmentOf, type Trees } from './program.ts';

const PIP_BOUND_MS = 1_800_000;
const VENV_BOUND_MS = 300_000;
const STATIC_BOUND_MS = 600_000;
const COPY_BOUND_MS = 300_000;

/** Builds what is missing for a commit, each part where it will run from. Throws `BadRelease` where another try cannot help. */
export async function buildTrees(spec: Spec, commit: string, inUse: ReadonlySet<string>, host: Host): Promise<Trees> {
  const layout = layoutOf(spec);
  for (;;) {
    const found = await findTrees(spec, layout, commit, inUse, 'whole', host);
    const trees = completeTrees(spec, found);
    if (trees !== undefined) return trees;
    if (found.release.is === 'missing') await buildRelease(spec, layout, commit, found.release, host);
    else if (found.venv?.is === 'missing') await buildVenv(spec, layout, found.release.name, found.venv, host);
    else if (found.static?.is === 'missing' && found.venv?.is === 'built') {
      await collectStatic(
        spec,
        layout,
        { release: found.release.name, venv: found.venv.name, static: found.static.buildAs },
        host,
      );
    }
  }
}

type Missing = Extract<Found, { is: 'missing' }>;

async function buildRelease(spec: Spec, layout: Layout, commit: string, missing: Missing, host: Host): Promise<void> {
  await makeDirectories(host.files, layout.state);
  await host.git.fetch(layout.mirror, sourceOf(spec), commit);
  await buildTree(layout, 'releases', missing.buildAs, host, async (root, owner) => {
    await host.files.makeDirectory(root, { uid: 0, gid: 0, mode: 0o700 });
    await host.git.checkOut(layout.mirror, commit, root);
    await refuseSubmodules(root, host);
    await refuseLinksOutside(root, host);
    // git leaves modes to the umask, and the code belongs to the application.
    await host.run({ argv: ['chmod', '-R', 'u+rwX,go+rX,go-w', root], timeout_ms: COPY_BOUND_MS });
    await host.run({ argv: ['chown', '-R', '-h', `${owner.uid}:${owner.gid}`, root], timeout_ms: COPY_BOUND_MS });
  });
}

async function refuseSubmodules(root: string, host: Host): Promise<void> {
  if ((await host.files.stat(join(root, '.gitmodules'))) !== undefined) {
    throw new BadRelease('it has git submodules, which releases do not fetch: vendor them or install them with pip');
  }
}

/** A link that leads out of the tree would make a release depend on what no commit describes, or publish it. */
async function refuseLinksOutside(root: string, host: Host): Promise<void> {
  const { stdout } = await host.run({
    argv: ['find', root, '-type', 'l', '-printf', '%P\\0%l\\0'],
    timeout_ms: COPY_BOUND_MS,
    maxOutput_bytes: 16_777_216,
  });
  const parts = stdout.split('\0');
  for (let at = 0; at + 1 < parts.length; at += 2) {
    const [path = '', target = ''] = [parts[at], parts[at + 1]];
    const resolved = join('/', path, '..', target);
    const outside = target.startsWith('/') || depthOf(target) > path.split('/').length - 1;
    if (outside) throw new BadRelease(`the symlink ${path} leads out of the repository (to ${target}, ${resolved})`);
  }
}

/** How many levels a relative target climbs at most above where it starts. */
function depthOf(target: string): number {
  let level = 0;
  let highest = 0;
  for (const part of target.split('/')) {
    if (part === '..') level += 1;
    else if (part !== '' && part !== '.') level -= 1;
    highest = Math.max(highest, level);
  }
  return highest;
}

async function buildVenv(spec: Spec, layout: Layout, release: string, missing: Missing, host: Host): Promise<void> {
  const { python } = spec;
  const source = join(layout.directory, 'releases', release);
  const files = python.requirements.flatMap((path) => ['-r', path]);
  await buildTree(layout, 'venvs', missing.buildAs, host, async (root, owner) => {
    await host.files.makeDirectory(root, { ...owner, mode: 0o755 });
    const env = { HOME: layout.directory, PIP_NO_INPUT: '1', PIP_DISABLE_PIP_VERSION_CHECK: '1' };
    const own = { user: layout.user, cwd: source, env };
    await build(host, 'the virtualenv could not be made', {
      ...own,
      argv: [python.interpreter, '-m', 'venv', ...(python.system_packages ? ['--system-site-packages'] : []), root],
      timeout_ms: VENV_BOUND_MS,
    });
    const pip = [join(root, 'bin', 'python'), '-m', 'pip', 'install', '--quiet', '--no-cache-dir'] as const;
    const hashes = python.require_hashes ? ['--require-hashes'] : [];
    await build(host, 'its requirements could not be installed', {
      ...own,
      argv: [...pip, ...hashes, ...files, ...python.packages],
      timeout_ms: PIP_BOUND_MS,
    });
  });
}

async function collectStatic(
  spec: Spec,
  layout: Layout,
  trees: Trees & { readonly static: string },
  host: Host,
): Promise<void> {
  await buildTree(layout, 'static', trees.static, host, async (root, owner) => {
    await host.files.makeDirectory(root, { ...owner, mode: 0o755 });
    await build(host, 'collectstatic failed', {
      ...manage(spec, layout, trees, ['collectstatic', '--noinput', '--verbosity', '0']),
      timeout_ms: STATIC_BOUND_MS,
    });
  });
}

/** A call of `manage.py` as the application's user with its environment; secrets are nowhere but there. */
function manage(spec: Spec, layout: Layout, trees: Trees, args: readonly string[]): Command {
  return {
    argv: [join(layout.directory, 'venvs', trees.venv, 'bin', 'python'), spec.django?.manage ?? 'manage.py', ...args],
    ...asApplication(spec, layout, trees),
  };
}

export function asApplication(spec: Spec, layout: Layout, trees: Trees): Pick<Command, 'user' | 'cwd' | 'env'> {
  const variables = Object.entries(environmentOf(spec, trees)).map(([name, value]) => [name, reveal(value)]);
  return {
    user: layout.user,
    cwd: join(layout.directory, 'releases', trees.release),
    env: Object.fromEntries(variables),
  };
}

/** What an earlier run left unfinished goes first; the seal, written last, says that the tree is whole. */
async function buildTree(
  layout: Layout,
  kind: TreeKind,
  name: string,
  host: Host,
  fill: (root: string, owner: { readonly uid: number; readonly gid: number }) => Promise<void>,
): Promise<void> {
  const tree = treeOf(layout, kind, name);
  const owner = await resolveOwner(host.accounts, { owner: layout.user, group: layout.group }, tree.root);
  await host.files.removeTree(tree.root);
  await makeDirectories(host.files, join(layout.state, 'seals', kind));
  await fill(tree.root, owner);
  // What was written lies in the page cache: a seal that survives a power cut must not outlive it.
  await host.run({ argv: ['sync', '-f', tree.root], timeout_ms: COPY_BOUND_MS });
  await host.trees.seal(tree);
}

/** A step whose failure is the release's own fault, unless its output shows a network, a disk or a database that is away. */
export async function build(host: Host, what: string, command: Command): Promise<Output> {
  try {
    return await host.run(command);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    if (isPassing(text)) throw new Error(`${what} for now: ${text}`, { cause: error });
    throw new BadRelease(`${what}: ${text}`, { cause: error });
  }
}
