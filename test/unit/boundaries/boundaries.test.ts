import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';

/** Plants each forbidden import in a copy of the tree's shape and expects the lint to name the rule that it breaks. */
const root = join(import.meta.dirname, '../../..');
const planted = mkdtempSync(join(tmpdir(), 'holdfast-boundaries-'));
cpSync(join(root, '.oxlintrc.json'), join(planted, '.oxlintrc.json'));
symlinkSync(join(root, 'node_modules'), join(planted, 'node_modules'));
after(() => rmSync(planted, { recursive: true }));

const forbidden: readonly [file: string, specifier: string, message: RegExp][] = [
  ['desired-state/schema/a.ts', '../../agent/resource.ts', /imports only itself/],
  ['desired-state/schema/b.ts', 'fastify', /imports only itself/],
  ['desired-state/schema/c.ts', 'node:fs', /imports only itself/],
  ['agent/resources/nginx/a.ts', '../postgres/diff.ts', /never imports a sibling/],
  ['agent/resources/nginx/parts/a.ts', '../../postgres/diff.ts', /never imports a sibling/],
  ['agent/resources/nginx/b.ts', '../../engine/order.ts', /may use the engine/],
  ['agent/resources/nginx/c.ts', '../../host/files/linux.ts', /not their implementation/],
  ['agent/resources/nginx/d.ts', 'node:fs', /touches files/],
  ['agent/resources/nginx/e.ts', 'node:child_process', /starts a process/],
  ['agent/resources/nginx/f.ts', 'node:net', /opens a socket/],
  ['agent/resources/nginx/g.ts', '../../../controller/app.ts', /never imports the controller/],
  ['agent/engine/a.ts', '../resources/files/index.ts', /knows no kind/],
  ['agent/engine/b.ts', '../registry.ts', /knows no kind/],
  ['agent/engine/c.ts', '../host/commands/run.ts', /not their implementation/],
  ['agent/engine/d.ts', 'node:fs/promises', /touches files/],
  ['agent/host/files/a.ts', '../../../desired-state/schema/kinds.ts', /know nothing of the manifest/],
  ['agent/host/files/b.ts', '../../engine/order.ts', /may use the engine/],
  ['agent/cli/a.ts', 'node:child_process', /starts a process/],
  ['agent/cli/b.ts', '../../controller/app.ts', /never imports the controller/],
  ['agent/a.ts', '../test/hosts/host.ts', /never imports tests/],
  ['controller/a.ts', '../agent/resource.ts', /never runs agent code/],
  ['controller/compile/a.ts', '../../agent/describe.ts', /never runs agent code/],
  ['bootstrap/a.ts', '../controller/app.ts', /never imports the controller/],
];

const allowed: readonly [file: string, specifier: string][] = [
  ['desired-state/schema/ok.ts', './values.ts'],
  ['agent/resources/nginx/ok.ts', '../../resource.ts'],
  ['agent/resources/nginx/ok2.ts', '../../host/files/port.ts'],
  ['agent/resources/nginx/ok3.ts', '../shared/ini.ts'],
  ['agent/resources/nginx/parts/ok.ts', '../diff.ts'],
  ['agent/engine/ok.ts', '../resource.ts'],
  ['controller/ok.ts', '../desired-state/schema/kinds.ts'],
];

interface Diagnostic {
  readonly code: string;
  readonly help?: string;
  readonly filename: string;
}

function lint(): readonly Diagnostic[] {
  const run = spawnSync(join(root, 'node_modules/.bin/oxlint'), ['--format', 'json', '.'], {
    cwd: planted,
    encoding: 'utf8',
  });
  const report: { readonly diagnostics: readonly Diagnostic[] } = JSON.parse(run.stdout);
  return report.diagnostics.filter((diagnostic) => diagnostic.code.includes('no-restricted-imports'));
}

function plant(file: string, specifier: string): void {
  mkdirSync(dirname(join(planted, file)), { recursive: true });
  writeFileSync(join(planted, file), `import * as planted from '${specifier}';\nexport const used = planted;\n`);
}

test('the lint refuses every import that crosses a boundary and allows those that do not', () => {
  for (const [file, specifier] of [...forbidden, ...allowed]) plant(file, specifier);
  const diagnostics = lint();
  for (const [file, specifier, message] of forbidden) {
    const found = diagnostics.filter((diagnostic) => diagnostic.filename === file);
    assert.ok(
      found.some((diagnostic) => message.test(diagnostic.help ?? '')),
      `${file} may import ${specifier}: ${JSON.stringify(found)}`,
    );
  }
  for (const [file, specifier] of allowed) {
    const found = diagnostics.filter((diagnostic) => diagnostic.filename === file);
    assert.deepEqual(found, [], `${file} may not import ${specifier}`);
  }
});
