import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { build, type Plugin } from 'esbuild';

/**
 * Bundles the agent into a folder that needs nothing but Node: `agent.mjs`, the chunks that it loads when it first
 * needs them, the command `holdfast-agent`, and the launcher that the unit starts. Unminified, so that a stack trace
 * from a VM can be read.
 *
 * `node bootstrap/bundle.ts [FOLDER]`, by default `dist/holdfast-agent`.
 */
const root = join(import.meta.dirname, '..');

const DEFAULT_FOLDER = join(root, 'dist/holdfast-agent');

/** Natives and platforms that our libraries try to load and do without. */
const OPTIONAL = ['pg-native', 'unix-dgram', 'cloudflare:sockets'];

/** CommonJS libraries in an ES module ask for Node's modules by `require`. */
const REQUIRE = "const require = process.getBuiltinModule('node:module').createRequire(import.meta.url);";

/**
 * An `import` of one of Node's own modules makes Node read every one of its exports, and some of them load much that
 * nobody uses: `WebSocket` of node:http all of undici (14 MB, 40 ms), `diff` of node:util and `webcrypto` of node:crypto
 * what is theirs. Taken as built-in modules they cost nothing before they are used.
 */
const lazyBuiltins: Plugin = {
  name: 'lazy-builtins',
  setup(on) {
    on.onResolve({ filter: /^node:/ }, ({ path }) => ({ path, namespace: 'builtin' }));
    on.onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)});`,
    }));
  },
};

/** The command. Where the package puts things: Node at /usr/lib/holdfast/node, this folder at /usr/lib/holdfast/agent. */
const COMMAND = `#!/bin/sh
exec /usr/lib/holdfast/node /usr/lib/holdfast/agent/agent.mjs "$@"
`;

/** Replaces `folder` in one step as far as a reader can tell. Takes about 100 ms. Rejects with esbuild's errors. */
export function bundleAgent(folder: string = DEFAULT_FOLDER): Promise<string> {
  return inOneStep(folder, async (fresh) => {
    await bundle({ name: 'agent', entry: 'agent/main.ts', folder: fresh, plugins: [lazyBuiltins] });
    await writeFile(join(fresh, 'holdfast-agent'), COMMAND, { mode: 0o755 });
    await copyFile(join(root, 'bootstrap/systemd/notify-exec'), join(fresh, 'notify-exec'));
    await chmod(join(fresh, 'notify-exec'), 0o755);
  });
}

/** The same for the controller and its command line: `controller.mjs`, `holdfast.mjs`, and what git runs as its hooks. */
export function bundleController(folder: string): Promise<string> {
  return inOneStep(folder, async (fresh) => {
    await bundle({ name: 'controller', entry: 'controller/main.ts', folder: fresh });
    await bundle({ name: 'holdfast', entry: 'controller/cli/main.ts', folder: fresh });
    await copyFile(join(root, 'controller/git/hook.mjs'), join(fresh, 'git-hook.mjs'));
  });
}

async function bundle(options: {
  name: string;
  entry: string;
  folder: string;
  plugins?: readonly Plugin[];
}): Promise<void> {
  await build({
    absWorkingDir: root,
    entryPoints: { [options.name]: options.entry },
    outdir: options.folder,
    outExtension: { '.js': '.mjs' },
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    external: OPTIONAL,
    plugins: [...(options.plugins ?? [])],
    banner: { js: REQUIRE },
    logLevel: 'error',
  });
  await keepAscii(options.folder);
}

/**
 * One character beyond Latin-1 makes V8 keep a whole file with two bytes for each character, for as long as the process
 * lives: 700 KB for the agent. esbuild escapes them in code and leaves them in the comments that it keeps.
 */
async function keepAscii(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.mjs')) continue;
    const path = join(entry.parentPath, entry.name);
    const text = await readFile(path, 'utf8');
    const ascii = text.replaceAll(
      /[\u0080-\uffff]/g,
      (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
    );
    if (ascii !== text) await writeFile(path, ascii);
  }
}

async function inOneStep(folder: string, fill: (fresh: string) => Promise<void>): Promise<string> {
  const fresh = await mkdtemp(`${folder}.new-`);
  try {
    await fill(fresh);
    await chmod(fresh, 0o755);
    await rm(folder, { recursive: true, force: true });
    await rename(fresh, folder);
  } catch (error) {
    await rm(fresh, { recursive: true, force: true });
    throw error;
  }
  return folder;
}

if (import.meta.main) {
  const [folder = DEFAULT_FOLDER] = process.argv.slice(2);
  await mkdir(dirname(folder), { recursive: true });
  process.stdout.write(`${await bundleAgent(folder)}\n`);
}
