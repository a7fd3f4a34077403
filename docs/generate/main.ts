import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { generatedFiles } from './files.ts';

/** `npm run schema`: writes the JSON Schemas for editors and the reference. */
const root = join(import.meta.dirname, '../..');
const files = generatedFiles();
for (const [path, text] of files) {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}
for (const folder of ['docs/reference', 'desired-state/schema/json']) {
  for (const name of readdirSync(join(root, folder))) {
    if (!files.has(`${folder}/${name}`)) rmSync(join(root, folder, name));
  }
}
process.stdout.write(`${files.size} files written\n`);
