import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { parse } from 'yaml';
import { type UserDataOptions, userData } from '../../../bootstrap/cloud-init.ts';

const OPTIONS: UserDataOptions = {
  host: 'do-web-1',
  controller: 'https://10.114.0.2:8470',
  package: 'https://packages.example/holdfast-agent_0.1.0+0123456789ab_amd64.deb',
  sha256: 'a'.repeat(64),
  token: 'a-token-of-some-length\n',
  ca: '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n',
};

test('user data is YAML that writes token, CA and install.sh, and runs it with the options', () => {
  const text = userData(OPTIONS);
  assert.ok(text.startsWith('#cloud-config\n'));
  const { write_files: files, runcmd } = parse(text);
  const contents = files.map(({ content, encoding }: { content: string; encoding: string }) => {
    const bytes = Buffer.from(content, 'base64');
    return (encoding === 'gz+b64' ? gunzipSync(bytes) : bytes).toString();
  });
  const script = readFileSync(join(import.meta.dirname, '../../../bootstrap/install.sh'), 'utf8');
  assert.deepEqual(contents, [OPTIONS.token, OPTIONS.ca, script]);
  assert.equal(files[0].permissions, '0600');
  const [command] = runcmd;
  for (const value of [OPTIONS.host, OPTIONS.controller, OPTIONS.package, OPTIONS.sha256]) {
    assert.ok(command.includes(value), value);
  }
});

test('without an authority of the package URL there is none in the user data', () => {
  const { ca: _ca, ...options } = OPTIONS;
  const text = userData(options);
  assert.equal(parse(text).write_files.length, 2);
  assert.doesNotMatch(text, /ca-file|ca\.pem/);
});

test('a token never stands in user data in clear, and never in an argument', () => {
  assert.ok(!userData(OPTIONS).includes(OPTIONS.token.trim()));
});

for (const wrong of [
  { host: 'web 1' },
  { host: '-x' },
  { controller: 'http://10.0.0.1:8470' },
  { controller: 'https://x"\nruncmd: []' },
  { package: 'file:///etc/passwd' },
  { sha256: 'abc' },
  { ca: 'not a certificate' },
]) {
  test(`user data with ${JSON.stringify(wrong)} is refused`, () => {
    assert.throws(() => userData({ ...OPTIONS, ...wrong }), /^TypeError: --/);
  });
}
