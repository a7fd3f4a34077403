import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  AgeError,
  countRecipients,
  decrypt,
  encrypt,
  isRecipient,
  newIdentity,
  recipientOf,
  secretText,
} from '../../../../controller/secrets/age.ts';
import {
  controllerIdentities,
  createIdentity,
  operatorIdentityPath,
  readIdentities,
} from '../../../../controller/secrets/identity.ts';

async function scratch(context: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-age-'));
  context.after(() => rm(directory, { recursive: true }));
  return directory;
}

async function pair(): Promise<{ readonly key: string; readonly recipient: string }> {
  const key = await newIdentity();
  return { key, recipient: await recipientOf(key) };
}

function reason(wanted: AgeError['reason']): (error: unknown) => boolean {
  return (error) => error instanceof AgeError && error.reason === wanted && !/hunter2/.test(String(error.stack));
}

test('each of the recipients opens a file, and nobody else', async () => {
  const [one, two, three] = [await pair(), await pair(), await pair()];
  const file = Buffer.from(await encrypt('hunter2 ü\n', [one.recipient, two.recipient]));
  assert.match(file.toString(), /^-----BEGIN AGE ENCRYPTED FILE-----\n/);
  assert.equal(await countRecipients(file), 2);
  assert.equal(await decrypt(file, [one.key]), 'hunter2 ü\n');
  assert.equal(await decrypt(file, [three.key, two.key]), 'hunter2 ü\n');
  await assert.rejects(decrypt(file, [three.key]), reason('other key'));
});

test('a file that is damaged at any place does not open, and says nothing of what is in it', async () => {
  const { key, recipient } = await pair();
  const text = await encrypt('hunter2', [recipient]);
  const lines = text.split('\n');
  const broken = [
    text.slice(0, text.length / 2),
    lines.toSpliced(3, 1).join('\n'),
    text.replace('-----END', '-----end'),
    lines.map((line, index) => (index === 2 ? line.replace(/^./, (at) => (at === 'A' ? 'B' : 'A')) : line)).join('\n'),
    `${lines[0]}\n${lines.at(-2)}\n`,
    'age-encryption.org/v1\n',
    'age-encryption.org/v1\n-> X25519 a\n--- b\n',
    'hunter2',
    '',
  ];
  for (const one of broken) await assert.rejects(decrypt(Buffer.from(one), [key]), reason('damaged'), one);
  const bytes = Buffer.from(await encrypt('x', [recipient]));
  await assert.rejects(decrypt(Buffer.concat([bytes, Buffer.from('\nhunter2')]), [key]), reason('damaged'));
});

test('the line end of a single line does not belong to a secret, those of several do', () => {
  assert.equal(secretText('pw\n'), 'pw');
  assert.equal(secretText('pw\r\n'), 'pw');
  assert.equal(secretText('pw'), 'pw');
  assert.equal(secretText('\n'), '');
  assert.equal(secretText('-----BEGIN\n-----END\n'), '-----BEGIN\n-----END\n');
  assert.equal(secretText('pw\n\n'), 'pw\n\n');
});

test('a recipient with a typing error is none', async () => {
  const { recipient } = await pair();
  assert.equal(await isRecipient(recipient), true);
  assert.equal(await isRecipient(recipient.replace(/.$/, (at) => (at === 'q' ? 'p' : 'q'))), false);
});

const AGE = spawnSync('age', ['--version']).status === 0;

test('the program age opens our files, and we open its, armored and binary', {
  skip: !AGE && 'age is not installed',
}, async (context) => {
  const folder = await scratch(context);
  const ours = join(folder, 'ours.txt');
  const { recipient } = await createIdentity(ours);
  const sealed = await encrypt('hunter2', [recipient]);
  assert.equal(execFileSync('age', ['--decrypt', '--identity', ours], { input: sealed, encoding: 'utf8' }), 'hunter2');

  const theirs = join(folder, 'theirs.txt');
  execFileSync('age-keygen', ['--output', theirs], { stdio: 'ignore' });
  const identities = await readIdentities(theirs);
  const theirRecipient = execFileSync('age-keygen', ['-y', theirs], { encoding: 'utf8' }).trim();
  assert.equal(identities.recipient, theirRecipient);
  const list = join(folder, 'recipients.txt');
  await writeFile(list, `# ours\n${recipient}\n\n# theirs\n${theirRecipient}\n`);
  for (const armor of [['--armor'], []]) {
    const argv = [...armor, '--recipients-file', list];
    const file = execFileSync('age', argv, { input: 'hunter2\n' });
    assert.equal(await decrypt(file, identities.keys), 'hunter2\n');
    assert.equal(await countRecipients(file), 2);
  }
});

test('the controller makes its key once, for itself alone, and keeps it', async (context) => {
  const folder = join(await scratch(context), 'state');
  const made = await controllerIdentities(folder, undefined);
  assert.equal((await stat(join(folder, 'age.key'))).mode & 0o777, 0o600);
  assert.match(made.recipient, /^age1/);
  assert.deepEqual(await controllerIdentities(folder, undefined), made);
  assert.deepEqual(await controllerIdentities('/nowhere', join(folder, 'age.key')), made);
  await assert.rejects(controllerIdentities(folder, join(folder, 'none')), /there is no identity file .*secret keygen/);
});

test('a key that others may read, or that is none, is refused, and never overwritten', async (context) => {
  const file = join(await scratch(context), 'id.txt');
  await createIdentity(file);
  await assert.rejects(createIdentity(file), /is there already/);
  await chmod(file, 0o640);
  await assert.rejects(readIdentities(file), /others may read it; run: chmod 600/);
  await chmod(file, 0o600);
  const text = await readFile(file, 'utf8');
  await writeFile(file, `${text.trimEnd().slice(0, -1)}Q\n`);
  await assert.rejects(readIdentities(file), (error: Error) => {
    return /line 3 is not a key/.test(error.message) && !/AGE-SECRET-KEY-1[A-Z0-9]/.test(error.message);
  });
  await writeFile(file, '# nothing\n');
  await assert.rejects(readIdentities(file), /there is no key in it/);
});

test('a second key in the file reads what was encrypted to the one before', async (context) => {
  const file = join(await scratch(context), 'id.txt');
  const [fresh, old] = [await pair(), await pair()];
  await writeFile(file, `${fresh.key}\n${old.key}\n`, { mode: 0o600 });
  const identities = await readIdentities(file);
  assert.equal(identities.recipient, fresh.recipient);
  assert.equal(await decrypt(Buffer.from(await encrypt('a', [old.recipient])), identities.keys), 'a');
});

test('an operator has the key where XDG says, unless told', () => {
  assert.equal(operatorIdentityPath({}, '/home/ada'), '/home/ada/.config/holdfast/identity.txt');
  assert.equal(operatorIdentityPath({ XDG_CONFIG_HOME: '/c' }, '/home/ada'), '/c/holdfast/identity.txt');
  assert.equal(operatorIdentityPath({ HOLDFAST_IDENTITY_FILE: '/k' }, '/home/ada'), '/k');
});
