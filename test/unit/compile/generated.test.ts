import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { generatedFiles } from '../../../docs/generate/files.ts';

const root = join(import.meta.dirname, '../../..');

for (const [path, text] of generatedFiles()) {
  test(`${path} is what \`npm run schema\` makes of the schema`, async () => {
    const there = await readFile(join(root, path), 'utf8').catch(() => '');
    assert.ok(there === text, `${path} is stale: run npm run schema`);
  });
}
