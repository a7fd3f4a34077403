import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { parseSecrets, type Secrets } from '../../../../controller/compile/secrets.ts';
import { encrypt, newIdentity, recipientOf } from '../../../../controller/secrets/age.ts';
import { Vault } from '../../../../controller/secrets/vault.ts';
import { compile, type Files, good, issuesOf, resourceOf, treeOf } from '../../compile/tree.ts';

const key = await newIdentity();
const recipient = await recipientOf(key);
const stranger = await recipientOf(await newIdentity());

function vault(): Vault {
  return new Vault({ keys: [key], recipient });
}

const sealed = await encrypt('hunter2', [recipient]);
const naming = (name: string): Files => ({
  ...good,
  'roles/web.yaml': `files: { /a: { content: !secret ${name} } }\n`,
});

/** Issues of a push, as the controller finds them. */
async function pushed(files: Files, secrets: Secrets = new Map()): Promise<readonly string[]> {
  return issuesOf(files, { secrets, opened: await vault().open(treeOf(files)) });
}

test('a secret in git stands for what is encrypted in it', async () => {
  const files = { ...naming('pw'), 'secrets/pw.age': sealed, 'secrets/recipients.txt': `# controller\n${recipient}\n` };
  const opened = await vault().open(treeOf(files));
  const { spec } = resourceOf(files, 'web-1', 'files//a', { secrets: new Map(), opened });
  assert.deepEqual(spec['content'], { $secret: 'hunter2', fragments: ['hunter2'] });
  assert.doesNotMatch(inspect(opened, { depth: 9 }) + JSON.stringify([...opened.values]), /hunter2/);
});

test('what echo added to the text does not belong to it', async () => {
  const opened = await vault().open(treeOf({ 'secrets/pw.age': await encrypt('hunter2\n', [recipient]) }));
  assert.equal(opened.values.get('pw')?.reveal(), 'hunter2');
});

const at = (name: string): string => `secrets/${name}:1:1`;
const refusals: readonly (readonly [string, Files, string | RegExp])[] = [
  [
    'encrypted to others alone',
    { 'secrets/pw.age': await encrypt('hunter2', [stranger]) },
    `${at('pw.age')} not encrypted to this controller's key ${recipient}; run: holdfast secret rekey`,
  ],
  [
    'damaged',
    { 'secrets/pw.age': sealed.replace(/\n.{10}/, '\nAAAAAAAAAA') },
    `${at('pw.age')} the file is damaged; set it again: holdfast secret set pw`,
  ],
  ['empty', { 'secrets/pw.age': '' }, `${at('pw.age')} the file is empty; set the secret again: holdfast secret set`],
  [
    'an empty text',
    { 'secrets/pw.age': await encrypt('\n', [recipient]) },
    `${at('pw.age')} the secret is an empty text; set it again: holdfast secret set pw`,
  ],
  ['in clear', { 'secrets/pw.age': 'hunter2\n' }, /not encrypted with age; if this is the secret itself, .*change it/],
  ['not text', { 'secrets/pw.age': Buffer.from([1, 2, 3]) }, /not encrypted with age/],
  ['too large', { 'secrets/pw.age': `${sealed}${'\n'.repeat(65_536)}` }, `${at('pw.age')} larger than 65536 bytes`],
  ['a link', { 'secrets/pw.age': '-> other.age', 'secrets/other.age': sealed }, /a symbolic link: each secret needs/],
  ['without a name', { 'secrets/pw.age': sealed, 'secrets/.age': sealed }, /"" is not a name of a secret/],
  ['wrongly named', { 'secrets/pw.age': sealed, 'secrets/a b.age': sealed }, /"a b" is not a name of a secret/],
  ['in a folder', { 'secrets/pw.age': sealed, 'secrets/a/b.age': sealed }, /"a\/b" is not a name of a secret/],
  [
    'of another ending',
    { 'secrets/pw.age': sealed, 'secrets/db.txt': 'x' },
    `${at('db.txt')} expected files secrets/<name>.age and secrets/recipients.txt; nothing else is read`,
  ],
];

for (const [what, files, expected] of refusals) {
  test(`a secret that is ${what} is an issue with its place, and the only one`, async () => {
    const issues = await pushed({ ...naming('pw'), ...files });
    assert.equal(issues.length, 1, issues.join('\n'));
    if (typeof expected === 'string') assert.equal(issues[0], expected);
    else assert.match(issues[0] ?? '', expected);
    assert.doesNotMatch(issues.join('\n'), /hunter2/);
  });
}

test('a file encrypted with a passphrase is an issue, and no time is spent on it', async () => {
  const { Encrypter, armor } = await import('age-encryption');
  const encrypter = new Encrypter();
  encrypter.setPassphrase('open sesame');
  encrypter.setScryptWorkFactor(2);
  const file = armor.encode(await encrypter.encrypt('hunter2'));
  assert.deepEqual(await pushed({ ...naming('pw'), 'secrets/pw.age': file }), [
    `${at('pw.age')} encrypted with a passphrase, not to a key; set it again: holdfast secret set pw`,
  ]);
});

test('an unknown secret gets the nearest name of both sources', async () => {
  const outside = parseSecrets('f', 'api_key: one\n');
  const files = (name: string): Files => ({ ...naming(name), 'secrets/db_password.age': sealed });
  assert.match(
    (await pushed(files('db_pasword'), outside)).join(),
    /unknown secret "db_pasword", did you mean "db_password"\?/,
  );
  assert.match((await pushed(files('api_kye'), outside)).join(), /unknown secret "api_kye", did you mean "api_key"\?/);
});

test('one name in both sources is an issue unless it means the same, as while a secret moves into git', async () => {
  const files = { ...naming('pw'), 'secrets/pw.age': sealed };
  assert.deepEqual(await pushed(files, parseSecrets('f', 'pw: hunter2\n')), []);
  assert.deepEqual(await pushed(files, parseSecrets('f', 'pw: hunter3\n')), [
    `${at('pw.age')} secret "pw" stands in the controller's secrets file as well, with another text; remove it there or here`,
  ]);
});

test('without a key where the secrets are needed, each file is an issue: no manifest holds a placeholder', () => {
  assert.deepEqual(issuesOf({ ...naming('pw'), 'secrets/pw.age': sealed }, { secrets: new Map() }), [
    `${at('pw.age')} this controller has no key to decrypt it with`,
  ]);
});

test('offline the names are known from the files, and what they hold is not judged', () => {
  const files = { ...naming('pw'), 'secrets/pw.age': sealed };
  assert.deepEqual(issuesOf(files, { secrets: undefined }), []);
  assert.match(
    issuesOf({ ...files, ...naming('pv') }, { secrets: undefined }).join(),
    /unknown secret "pv", did you mean "pw"\?/,
  );
  assert.deepEqual(
    issuesOf(naming('anything'), { secrets: undefined }),
    [],
    'any name passes where git has no secrets',
  );
  const both = { secrets: parseSecrets('f', 'api_key: one\n'), opened: 'names' } as const;
  assert.deepEqual(issuesOf({ ...files, ...naming('api_key') }, both), []);
  assert.match(issuesOf({ ...good, 'secrets/pw.age': '' }, { secrets: undefined }).join(), /the file is empty/);
});

test('each wrong line of recipients.txt is an issue at its line', async () => {
  const lines = ['# me', recipient, 'ssh-ed25519 AAAA', recipient, `${stranger} # ada`, 'AGE-SECRET-KEY-1ABC'];
  assert.deepEqual(await pushed({ ...good, 'secrets/recipients.txt': lines.join('\n') }), [
    'secrets/recipients.txt:3:1 expected a recipient "age1…", or a comment that begins with #',
    'secrets/recipients.txt:4:1 stands in line 2 as well',
    'secrets/recipients.txt:5:1 put the comment into the line above, where age expects it',
    'secrets/recipients.txt:6:1 a secret key, which is known from now on to everybody who has the repository: replace it, and all secrets',
  ]);
});

test('recipients without this controller are an issue before the next secret is lost on it', async () => {
  assert.deepEqual(await pushed({ ...good, 'secrets/pw.age': sealed, 'secrets/recipients.txt': `${stranger}\n` }), [
    `secrets/recipients.txt:1:1 this controller's key ${recipient} is missing, so that it could not read the next secret; run: holdfast secret recipients add ${recipient}`,
  ]);
});

test('a version is short, changes with the text alone, and needs the key to be made', async () => {
  const files: Files = { ...good, 'roles/web.yaml': 'files: { /a: { content: "todo_{{version.pw}}" } }\n' };
  const versionOf = (text: string, versionKey: Buffer): unknown =>
    resourceOf(files, 'web-1', 'files//a', { secrets: parseSecrets('f', `pw: "${text}"\n`), versionKey }).spec[
      'content'
    ];
  const [a, b] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
  assert.match(String(versionOf('hunter2', a)), /^todo_[a-z2-7]{8}$/);
  assert.equal(versionOf('hunter2', a), versionOf('hunter2', a));
  assert.notEqual(versionOf('hunter2', a), versionOf('hunter3', a));
  assert.notEqual(versionOf('hunter2', a), versionOf('hunter2', b));
  assert.match(issuesOf(files).join(), /there is no "pw" in "version"/);
});

test('who logs in by a version comes after the host that makes it, also where the password stays', () => {
  const files = (version: string): Files => ({
    ...good,
    'roles/db.yaml': `postgres: { roles: { todo: { login: true, password: !secret pw${version} } } }\n`,
    'roles/web.yaml':
      'releases: { todo: { repository: /srv/r, gunicorn: { application: "a:b" }, environment: { DATABASE_USER: "todo_{{version.pw}}" } } }\n',
  });
  const secrets = parseSecrets('f', 'pw: hunter2\n');
  const credentials = (version: string, host: string) => {
    const { hosts, issues } = compile(files(version), { secrets });
    assert.deepEqual(issues, []);
    return hosts.get(host)?.credentials;
  };
  const before = credentials('', 'db-1')?.sets ?? [];
  const fresh = (credentials(', version: "{{version.pw}}"', 'db-1')?.sets ?? []).filter((one) => !before.includes(one));
  assert.equal(fresh.length, 1);
  assert.ok(credentials('', 'web-1')?.uses.includes(fresh[0] ?? ''));
});

test('what was decrypted once is not decrypted again, by whatever push', async () => {
  const files: Record<string, string> = {};
  for (let count = 0; count < 20; count += 1)
    files[`secrets/s${count}.age`] = await encrypt(`text ${count}`, [recipient]);
  const one = vault();
  await one.open(treeOf(files));
  assert.equal(one.decrypted, 20);
  const again = await one.open(treeOf({ ...files, 'secrets/copy.age': files['secrets/s1.age'] ?? '' }));
  assert.equal(one.decrypted, 20);
  assert.equal(again.values.get('copy')?.reveal(), 'text 1');
  await one.open(treeOf({ ...files, 'secrets/s1.age': await encrypt('other', [recipient]) }));
  assert.equal(one.decrypted, 21);
});

test('compiling what was opened before takes no longer for two hundred secrets', async (context) => {
  const files: Record<string, string | Buffer> = { ...good };
  for (let count = 0; count < 200; count += 1)
    files[`secrets/s${count}.age`] = await encrypt(`text ${count}`, [recipient, stranger]);
  const one = vault();
  const tree = treeOf(files);
  const cold = await timed(() => one.open(tree));
  const warm = await timed(() => one.open(tree));
  const opened = await one.open(tree);
  const compiled = await timed(async () => compile(files, { secrets: new Map(), opened }));
  context.diagnostic(
    `200 secrets: first ${cold.toFixed(0)} ms, again ${warm.toFixed(1)} ms, compile ${compiled.toFixed(1)} ms`,
  );
  assert.equal(one.decrypted, 200);
});

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}
