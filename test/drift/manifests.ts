/** The manifests of the reference deployment: desired-state/ compiled as the controller does, for two test hosts. */
import { join } from 'node:path';
import { compileTree } from '../../controller/compile/compile.ts';
import type { Secrets } from '../../controller/compile/secrets.ts';
import type { Tree } from '../../controller/compile/tree.ts';
import { unpack } from '../../controller/packing.ts';
import { readDirectory } from '../../controller/source/directory.ts';
import { SWAP_FILE, SWAP_FILE_OF_OVERLAY } from './swap-file.ts';

const DESIRED_STATE = join(import.meta.dirname, '../../desired-state');
const OVERLAY = join(import.meta.dirname, 'overlay');

export interface Site {
  readonly db: string;
  readonly web: string;
  /** URL of the application's repository. */
  readonly repository: string;
  /** Whether the web host has the tests' own role on top. */
  readonly extras: boolean;
}

/** What somebody pushes: files of the tree by path, and what becomes of their text. */
export type Edits = Readonly<Record<string, (text: string) => string>>;

/** Both manifests, as JSON. Fails with everything that is wrong with the tree. */
export async function compileDeployment(
  site: Site,
  options: { readonly revision: string; readonly secrets: Secrets; readonly edits?: Edits },
): Promise<{ readonly db: string; readonly web: string }> {
  const tree = moved(
    new Map([...(await deploymentTree()), ...(await readDirectory(OVERLAY))]),
    site,
    options.edits ?? {},
  );
  const { hosts, issues, pending } = compileTree(tree, { ...options, facts: new Map() });
  const db = hosts.get('db-1');
  const web = hosts.get('web-1');
  if (issues.length > 0 || db === undefined || web === undefined) {
    throw new Error(
      `the desired state does not compile: ${JSON.stringify({ issues, pending: [...pending] }, null, 1)}`,
    );
  }
  return { db: unpack(db.packed), web: unpack(web.packed) };
}

/** The tree of the two hosts as files, for a repository: without secrets, which are the site's own. */
export async function deploymentFiles(site: Site, edits: Edits): Promise<Record<string, string>> {
  const tree = [...moved(await deploymentTree(), site, edits)];
  return Object.fromEntries(
    tree.flatMap(([path, file]) => (file.type === 'file' ? [[path, file.content.toString()]] : [])),
  );
}

/** The tree in git. */
export function deploymentTree(): Promise<Tree> {
  return readDirectory(DESIRED_STATE);
}

/** What the environment `vagrant` says of places, said of ours, and what a test wants otherwise. */
function moved(tree: Tree, { db, web, repository, extras }: Site, edits: Edits): Tree {
  const changed = new Map(tree);
  const edit = (path: string, change: (text: string) => string): void => {
    const file = changed.get(path);
    if (file?.type !== 'file') throw new Error(`the desired state has no ${path}`);
    const before = file.content.toString();
    const after = change(before);
    if (after === before) throw new Error(`${path} of the desired state no longer reads as the tests expect`);
    changed.set(path, { type: 'file', content: Buffer.from(after) });
  };
  edit('hosts/db-1.yaml', (text) => text.replace('192.168.33.11', db));
  edit('hosts/web-1.yaml', (text) =>
    text.replace('192.168.33.15', web).replace('[base, web]', extras ? '[base, web, extras]' : '[base, web]'),
  );
  edit('environments/vagrant.yaml', (text) =>
    text.replace('192.168.33.0/24', `${web}/24`).replace('git://192.168.33.10/todomvc.git', repository),
  );
  if (tree.has('roles/extras.yaml')) {
    edit('roles/extras.yaml', (text) => text.replace(SWAP_FILE_OF_OVERLAY, SWAP_FILE));
  }
  for (const [path, change] of Object.entries(edits)) edit(path, change);
  return changed;
}
