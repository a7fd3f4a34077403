/** `npm run package [-- FOLDER]`: the Debian packages of agent and controller, each with its own Node, and their checksums. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import {
  chmod,
  copyFile,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import packageJson from '../package.json' with { type: 'json' };
import { mustRun } from '../test/hosts/process.ts';
import { bundleAgent, bundleController } from './bundle.ts';

const root = join(import.meta.dirname, '..');
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };
const PACK_TIMEOUT_MS = 300_000;

interface Part {
  readonly name: 'agent' | 'controller';
  /** Puts everything but Node and the control files into a tree that starts at /. */
  fill(tree: string): Promise<void>;
  readonly conffiles: readonly string[];
  readonly node: string;
}

const UNITS = 'usr/lib/systemd/system';

const agent: Part = {
  name: 'agent',
  node: 'usr/lib/holdfast/node',
  conffiles: [],
  async fill(tree) {
    await mkdir(join(tree, 'usr/lib/holdfast'), { recursive: true });
    await bundleAgent(join(tree, 'usr/lib/holdfast/agent'));
    await put('bootstrap/systemd/holdfast-agent.service', join(tree, UNITS, 'holdfast-agent.service'));
    await link('../lib/holdfast/agent/holdfast-agent', join(tree, 'usr/bin/holdfast-agent'));
  },
};

const controller: Part = {
  name: 'controller',
  node: 'usr/lib/holdfast-controller/node',
  conffiles: ['/etc/default/holdfast-controller'],
  async fill(tree) {
    const folder = join(tree, 'usr/lib/holdfast-controller');
    await mkdir(folder, { recursive: true });
    await bundleController(join(folder, 'controller'));
    for (const [command, program] of [
      ['holdfast', 'holdfast'],
      ['holdfast-controller', 'controller'],
    ] as const) {
      await mkdir(join(tree, 'usr/bin'), { recursive: true });
      const text = `#!/bin/sh\nexec /usr/lib/holdfast-controller/node /usr/lib/holdfast-controller/controller/${program}.mjs "$@"\n`;
      await writeFile(join(tree, 'usr/bin', command), text, { mode: 0o755 });
    }
    await completions(join(folder, 'controller/holdfast.mjs'), join(tree, 'usr/share'));
    await put('bootstrap/systemd/holdfast-controller.service', join(tree, UNITS, 'holdfast-controller.service'));
    await put('bootstrap/deb/controller/sysusers.conf', join(tree, 'usr/lib/sysusers.d/holdfast-controller.conf'));
    await put('bootstrap/deb/controller/default', join(tree, 'etc/default/holdfast-controller'));
  },
};

export interface Packages {
  readonly agent: string;
  readonly controller: string;
}

/**
 * Builds what is not in `folder` yet: a version ends with the hash of what is in the package, so that equal sources make
 * equal versions. Each package has its checksum beside it, as `sha256sum` prints it. Older packages in it are removed.
 */
export async function buildPackages(folder: string): Promise<Packages> {
  await mkdir(folder, { recursive: true });
  const [first, second] = await Promise.all([buildPackage(agent, folder), buildPackage(controller, folder)]);
  const keep = new Set([first, second].flatMap((name) => [name, `${name}.sha256`]));
  for (const name of await readdir(folder)) {
    if (/^holdfast-(?:agent|controller)_.*\.deb/.test(name) && !keep.has(name)) await rm(join(folder, name));
  }
  return { agent: join(folder, first), controller: join(folder, second) };
}

async function buildPackage(part: Part, folder: string): Promise<string> {
  const architecture = ARCHITECTURES[process.arch];
  if (architecture === undefined) throw new Error(`no package is made for ${process.arch}: x64 and arm64 have one`);
  const staging = await mkdtemp(join(tmpdir(), 'holdfast-package-'));
  try {
    const tree = join(staging, 'tree');
    await mkdir(tree, { mode: 0o755 });
    await part.fill(tree);
    const scripts = join(root, 'bootstrap/deb', part.name);
    const version = `${packageJson.version}+${await hashOf([tree, scripts, import.meta.filename])}`;
    const name = `holdfast-${part.name}_${version}_${architecture}.deb`;
    if ((await readdir(folder)).includes(`${name}.sha256`)) return name;
    await copyFile(process.execPath, join(tree, part.node));
    await chmod(join(tree, part.node), 0o755);
    await writeControl({ part, tree, scripts, version, architecture });
    // Fast rather than small: gzip is what every supported dpkg reads.
    const file = join(staging, name);
    const argv = ['dpkg-deb', '--root-owner-group', '-Zgzip', '-z1', '--build', tree, file];
    await mustRun(argv, { timeout_ms: PACK_TIMEOUT_MS, env: { SOURCE_DATE_EPOCH: '0' } });
    await copyInOneStep(file, join(folder, name));
    await writeFile(join(folder, `${name}.sha256`), `${await sha256(file)}  ${name}\n`);
    return name;
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

async function writeControl(options: {
  part: Part;
  tree: string;
  scripts: string;
  version: string;
  architecture: string;
}): Promise<void> {
  const { part, tree, scripts, version, architecture } = options;
  const about: Readonly<Record<string, string>> = JSON.parse(await readFile(join(scripts, 'control.json'), 'utf8'));
  const control = join(tree, 'DEBIAN');
  await mkdir(control, { mode: 0o755 });
  const fields = [
    `Package: ${about['package']}`,
    `Version: ${version}`,
    `Architecture: ${architecture}`,
    'Maintainer: Holdfast maintainers <root@localhost>',
    `Depends: ${about['depends']}`,
    'Section: admin',
    'Priority: optional',
    `Description: ${about['summary']}`,
    ` ${about['description']}`,
  ];
  await writeFile(join(control, 'control'), `${fields.join('\n')}\n`);
  if (part.conffiles.length > 0) await writeFile(join(control, 'conffiles'), `${part.conffiles.join('\n')}\n`);
  for (const script of ['postinst', 'prerm', 'postrm']) {
    await copyFile(join(scripts, script), join(control, script));
    await chmod(join(control, script), 0o755);
  }
}

async function put(source: string, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await cp(join(root, source), path);
  await chmod(path, 0o644);
}

/** Where the shells look for what completes a command. */
const COMPLETIONS = {
  bash: 'bash-completion/completions/holdfast',
  zsh: 'zsh/vendor-completions/_holdfast',
  fish: 'fish/vendor_completions.d/holdfast.fish',
} as const;

async function completions(program: string, share: string): Promise<void> {
  for (const [shell, place] of Object.entries(COMPLETIONS)) {
    const path = join(share, place);
    await mkdir(dirname(path), { recursive: true });
    const argv = [process.execPath, program, 'completion', shell];
    await writeFile(path, await mustRun(argv, { timeout_ms: PACK_TIMEOUT_MS }), { mode: 0o644 });
  }
}

async function link(target: string, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await symlink(target, path);
}

/** Twelve digits over the names and contents of everything below the paths, and the version of Node. */
async function hashOf(paths: readonly string[]): Promise<string> {
  const hash = createHash('sha256').update(process.version);
  for (const path of paths) {
    const entries = await readdir(path, { recursive: true, withFileTypes: true }).catch(() => undefined);
    const files =
      entries === undefined
        ? [path]
        : entries
            .filter((entry) => entry.isFile())
            .map((entry) => join(entry.parentPath, entry.name))
            .toSorted();
    for (const file of files) hash.update(`${file.slice(path.length)}\0`).update(await readFile(file));
  }
  return hash.digest('hex').slice(0, 12);
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

async function copyInOneStep(from: string, to: string): Promise<void> {
  await copyFile(from, `${to}.part`);
  await rename(`${to}.part`, to);
}

if (import.meta.main) {
  const [folder = join(root, 'dist')] = process.argv.slice(2);
  const { agent: first, controller: second } = await buildPackages(folder);
  process.stdout.write(`${first}\n${second}\n`);
}
