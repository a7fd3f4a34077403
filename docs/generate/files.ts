import { commandPage } from './commands.ts';
import { editorSchema } from './json-schema.ts';
import { referencePages } from './reference.ts';

/** Everything that is generated from the schema and the command line, by path from the root of the repository. */
export function generatedFiles(): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  for (const type of ['host', 'role', 'environment'] as const) {
    files.set(`desired-state/schema/json/${type}.schema.json`, `${JSON.stringify(editorSchema(type), null, 1)}\n`);
  }
  for (const [name, text] of referencePages()) files.set(`docs/reference/${name}`, text);
  files.set('docs/reference/holdfast.md', commandPage());
  return files;
}
