import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { parseSecrets, readSecrets } from '../../../controller/compile/secrets.ts';

test('secrets are a map of names to texts, in YAML or JSON, and print as stars', () => {
  const yaml = parseSecrets('f', 'a: one\nb: |\n  two\n  lines\n');
  assert.equal(yaml.get('b')?.reveal(), 'two\nlines\n');
  assert.doesNotMatch(inspect(yaml) + String(yaml.get('a')) + JSON.stringify([...yaml]), /one|two/);
  assert.equal(parseSecrets('f', '{"a": "one"}').get('a')?.reveal(), 'one');
  assert.equal(parseSecrets('f', '').size, 0);
});

const broken: readonly (readonly [string, string, RegExp])[] = [
  ['YAML that does not parse', 'a: one\nb: [hunter2\n', /^secrets file f: not YAML, see line \d+$/],
  ['a list', '- hunter2\n', /expected a map/],
  ['a number', 'a: 123456\n', /"a" has to be text/],
  ['an empty text', 'a: ""\n', /"a" has to be text/],
  ['a name that is none', '"a b": hunter2\n', /"a b" is not a name/],
];

for (const [name, text, message] of broken) {
  test(`a secrets file with ${name} is refused, without its text`, () => {
    assert.throws(
      () => parseSecrets('f', text),
      (error: Error) => message.test(error.message) && !/hunter2|123456/.test(error.message),
    );
  });
}

test('a secrets file that others may read is refused, with the command that mends it', async (context) => {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-'));
  context.after(() => rm(directory, { recursive: true }));
  const file = join(directory, 'secrets.yaml');
  await writeFile(file, 'a: one\n');
  await chmod(file, 0o644);
  await assert.rejects(readSecrets(file), /mode 0644 lets others read it; run: chmod 600/);
  await chmod(file, 0o600);
  assert.equal((await readSecrets(file)).size, 1);
  await assert.rejects(readSecrets(join(directory, 'none')), /there is none/);
});
