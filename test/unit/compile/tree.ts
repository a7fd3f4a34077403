import { type Compilation, type CompileOptions, compileTree } from '../../../controller/compile/compile.ts';
import { formatIssue } from '../../../controller/compile/issue.ts';
import { parseSecrets } from '../../../controller/compile/secrets.ts';
import type { Tree, TreeFile } from '../../../controller/compile/tree.ts';
import { unpack } from '../../../controller/packing.ts';

/** Texts of files by path; `-> target` is a symbolic link. */
export type Files = Readonly<Record<string, string | Buffer>>;

export const secrets = parseSecrets('secrets.yaml', 'db_password: p%q"\'$x;y\napi_key: 0123456789abcdef\n');

export function treeOf(files: Files): Tree {
  return new Map(Object.entries(files).map(([path, content]) => [path, fileOf(content)]));
}

function fileOf(content: string | Buffer): TreeFile {
  if (typeof content === 'string' && content.startsWith('-> ')) return { type: 'link', target: content.slice(3) };
  return { type: 'file', content: Buffer.from(content) };
}

export function compile(files: Files, options: Partial<CompileOptions> = {}): Compilation {
  return compileTree(treeOf(files), {
    revision: 'r1',
    secrets,
    facts: new Map(),
    prefix: 'desired-state/',
    ...options,
  });
}

export function issuesOf(files: Files, options: Partial<CompileOptions> = {}): readonly string[] {
  return compile(files, options).issues.map((issue) => formatIssue(issue).replace(/^desired-state\//, ''));
}

/** A tree with nothing wrong: two hosts, two roles, one environment. */
export const good: Files = {
  'environments/dev.yaml': 'network: 10.0.0.0/8\nvars:\n  domain: dev.example\n',
  'roles/web.yaml': 'services:\n  nginx: running\n',
  'roles/db.yaml': 'services:\n  postgresql: running\n',
  'hosts/web-1.yaml': 'environment: dev\nroles: [web]\naddress: 10.0.0.15\n',
  'hosts/db-1.yaml': 'environment: dev\nroles: [db]\naddress: 10.0.0.11\n',
};

interface SentManifest {
  readonly revision: string;
  readonly mode: string;
  readonly agent: Readonly<Record<string, unknown>>;
  readonly resources: readonly SentResource[];
}

interface SentResource {
  readonly kind: string;
  readonly name: string;
  readonly spec: Readonly<Record<string, unknown>>;
  readonly requires: readonly unknown[];
  readonly mode?: string;
}

/** The manifest of a host as it goes over the wire. Throws with the issues when there is none. */
export function manifestOf(files: Files, host: string, options: Partial<CompileOptions> = {}): SentManifest {
  const compilation = compile(files, options);
  const compiled = compilation.hosts.get(host);
  if (compiled === undefined || compilation.issues.length > 0) {
    throw new Error(compilation.issues.map(formatIssue).join('\n') || `no manifest of ${host}`);
  }
  return JSON.parse(unpack(compiled.packed));
}

export function resourceOf(
  files: Files,
  host: string,
  name: string,
  options: Partial<CompileOptions> = {},
): SentResource {
  const found = manifestOf(files, host, options).resources.find((one) => `${one.kind}/${one.name}` === name);
  if (found === undefined) throw new Error(`${host} has no ${name}`);
  return found;
}
