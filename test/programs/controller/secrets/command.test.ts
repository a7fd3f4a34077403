import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

const MAIN = join(import.meta.dirname, '../../../../controller/cli/main.ts');

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

interface Desk {
  readonly folder: string;
  /** `holdfast …` in a folder that has a desired-state/. */
  readonly run: (args: readonly string[], input?: string, env?: NodeJS.ProcessEnv) => Ended;
  readonly env: NodeJS.ProcessEnv;
  readonly me: string;
  readonly read: (path: string) => Promise<string>;
}

/** An operator with a key, who is a recipient. */
async function desk(context: TestContext): Promise<Desk> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-secret-'));
  context.after(() => rm(folder, { recursive: true }));
  await mkdir(join(folder, 'desired-state'));
  const env = { PATH: process.env['PATH'], HOME: folder };
  const run: Desk['run'] = (args, input = '', more = {}) => {
    const options = { cwd: folder, input, env: { ...env, ...more }, encoding: 'utf8' } as const;
    const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, 'secret', ...args], options);
    return { code: status, out: stdout, err: stderr };
  };
  const made = run(['keygen']);
  assert.equal(made.code, 0, made.err);
  const me = made.out.trim();
  assert.equal(run(['recipients', 'add', me, '--for', 'me']).code, 0);
  return { folder, run, env, me, read: (path) => readFile(join(folder, path), 'utf8') };
}

const AGE_FILE = 'desired-state/secrets/pw.age';

test('a secret goes in by standard input and comes out again, encrypted in between', async (context) => {
  const { run, read } = await desk(context);
  const set = run(['set', 'pw'], 'hunter2\n');
  assert.equal(set.code, 0, set.err);
  assert.equal(set.out, '');
  assert.match(set.err, /^pw is made, encrypted to 1 recipient: commit desired-state\/secrets\/pw\.age\n$/);
  assert.match(await read(AGE_FILE), /^-----BEGIN AGE ENCRYPTED FILE-----/);
  assert.equal(run(['get', 'pw']).out, 'hunter2');
  assert.deepEqual(JSON.parse(run(['get', 'pw', '--json']).out), { name: 'pw', text: 'hunter2' });
  assert.match(run(['set', 'pw'], 'other').err, /^pw is replaced/);
  const pem = '-----BEGIN\nabc\n-----END\n';
  run(['set', 'tls'], pem);
  assert.equal(run(['get', 'tls']).out, pem);
});

test('a text on the command line is refused, and not repeated', async (context) => {
  const { run } = await desk(context);
  const { code, err } = run(['set', 'pw', 'hunter2']);
  assert.equal(code, 2);
  assert.match(err, /never from the command line/);
  assert.doesNotMatch(err, /hunter2/);
});

test('what cannot be done says what to do, and changes nothing', async (context) => {
  const { run, folder } = await desk(context);
  run(['set', 'db_password'], 'hunter2');
  const cases: readonly (readonly [readonly string[], number, RegExp, string?])[] = [
    [['get', 'db_pasword'], 1, /there is no secret "db_pasword" in desired-state, did you mean "db_password"\?/],
    [['set', 'pw'], 1, /the text of "pw" is empty/, '\n'],
    [['set', 'pw'], 1, /larger than/, 'x'.repeat(70_000)],
    [['set', 'pw'], 1, /larger than/, 'x'.repeat(60_000)],
    [['set', '../pw'], 2, /"\.\.\/pw" is not a name of a secret/],
    [['set'], 2, /expected the name of a secret/],
    [
      ['get', 'db_password', '--identity', 'none'],
      1,
      /there is no identity file none; make one: holdfast secret keygen/,
    ],
    [['generate', 'db_password'], 1, /already; to replace it: holdfast secret generate db_password --force/],
    [['generate', 'x', '--bytes', '4'], 2, /--bytes expects a number from 16/],
    [
      ['list', '--directory', 'elsewhere'],
      1,
      /elsewhere is not a directory: run this in the repository, or give --directory/,
    ],
    [['recipients', 'add', 'age1abc'], 2, /expected a recipient/],
    [['recipients', 'add', 'AGE-SECRET-KEY-1ABC'], 1, /make another; a recipient begins with age1/],
    [['keygen'], 1, /is there already/],
    [['lsit'], 2, /there is no command "secret lsit"; known: set, get/],
    [['set', 'pw', '--forse'], 2, /Unknown option '--forse'/],
  ];
  for (const [args, code, message, input] of cases) {
    const ended = run(args, input);
    assert.equal(ended.code, code, `${args.join(' ')}: ${ended.err}`);
    assert.match(ended.err, message);
    assert.equal(ended.out, '');
  }
  assert.deepEqual((await readdir(join(folder, 'desired-state/secrets'))).sort(), [
    'db_password.age',
    'recipients.txt',
  ]);
});

test('without recipients nothing is encrypted, and nobody is asked for a text', async (context) => {
  const { run, folder } = await desk(context);
  await rm(join(folder, 'desired-state/secrets/recipients.txt'));
  const { code, err } = run(['set', 'pw'], 'hunter2');
  assert.equal(code, 1);
  assert.match(err, /names nobody to encrypt to; add the controller's key, .*: holdfast secret recipients add age1…/);
});

test('a generated secret has the bytes that were asked for, and is shown to nobody', async (context) => {
  const { run } = await desk(context);
  const { out, err } = run(['generate', 'token', '--bytes', '48']);
  const text = run(['get', 'token']).out;
  assert.equal(Buffer.from(text, 'base64url').length, 48);
  assert.doesNotMatch(out + err, new RegExp(text));
  assert.equal(run(['generate', 'token', '--force']).code, 0);
  assert.notEqual(run(['get', 'token']).out, text);
});

test('rekey lets a new recipient in and the old one out, or changes nothing at all', async (context) => {
  const { run, folder, me, read } = await desk(context);
  run(['set', 'a'], 'one');
  run(['set', 'b'], 'two');
  const other = join(folder, 'other.txt');
  const recipient = run(['keygen', '--identity', other]).out.trim();
  const added = run(['recipients', 'add', recipient, '--for', 'controller']);
  assert.match(added.err, /run: holdfast secret rekey/);
  assert.match(run(['recipients', 'add', recipient]).err, /is a recipient already/);
  assert.equal(run(['recipients']).out, `${me}  me\n${recipient}  controller\n`);
  assert.equal(await read('desired-state/secrets/recipients.txt'), `# me\n${me}\n# controller\n${recipient}\n`);
  assert.match(run(['list']).out, /^a +1 +encrypted to 1 recipient of 2; run: holdfast secret rekey$/m);

  const before = await read('desired-state/secrets/a.age');
  const dry = run(['rekey', '--dry-run']);
  assert.equal(dry.out, 'desired-state/secrets/a.age\ndesired-state/secrets/b.age\n');
  assert.equal(await read('desired-state/secrets/a.age'), before);
  assert.match(
    run(['get', 'a', '--identity', other]).err,
    /secret "a": not encrypted to your key; somebody who can read it has to add you/,
  );

  const rekeyed = run(['rekey']);
  assert.equal(rekeyed.out, dry.out);
  assert.match(rekeyed.err, /^2 files were encrypted to 2 recipients\n$/);
  assert.equal(run(['get', 'a', '--identity', other]).out, 'one');
  assert.equal(run(['get', 'a'], '', { HOLDFAST_IDENTITY_FILE: other }).out, 'one');
  assert.match(run(['list']).out, /^b +2 +yes$/m);

  assert.match(run(['recipients', 'remove', me]).err, /who could read them goes on knowing them/);
  assert.equal(await read('desired-state/secrets/recipients.txt'), `# controller\n${recipient}\n`);
  assert.match(run(['recipients', 'remove', recipient]).err, /the only recipient/);
  assert.equal(run(['rekey', '--identity', other]).code, 0);
  assert.equal(run(['get', 'a']).code, 1);
  const sealed = await read('desired-state/secrets/a.age');
  const failed = run(['rekey']);
  assert.equal(failed.code, 1);
  assert.match(failed.err, /a\.age: not encrypted to your key.*\n.*b\.age.*\nnothing was changed/);
  assert.equal(await read('desired-state/secrets/a.age'), sealed);
  const entries = await readdir(join(folder, 'desired-state/secrets'));
  assert.deepEqual(entries.sort(), ['a.age', 'b.age', 'recipients.txt']);
});

test('the list says what is there without a key as well', async (context) => {
  const { run, folder } = await desk(context);
  run(['set', 'a'], 'one');
  await writeFile(join(folder, 'desired-state/secrets/b.age'), 'hunter2');
  const { out } = run(['list', '--identity', 'none']);
  assert.match(out, /^NAME +RECIPIENTS +READABLE\na +1 +no key to try with\nb +\S+ +not encrypted with age/);
  assert.doesNotMatch(out, /hunter2/);
  const { secrets } = JSON.parse(run(['list', '--json']).out);
  assert.deepEqual(secrets[0], { name: 'a', path: 'desired-state/secrets/a.age', recipients: 1, readable: true });
});

/** A script that takes the place of an editor; it tells where it was, and what rights the file had. */
async function editor(folder: string, script: string): Promise<NodeJS.ProcessEnv> {
  const path = join(folder, 'editor.sh');
  await writeFile(
    path,
    `#!/bin/sh\nprintf '%s %s' "$1" "$(stat -c %a "$1" "$(dirname "$1")" | tr '\\n' ' ')" >${folder}/seen\n${script}\n`,
    {
      mode: 0o755,
    },
  );
  return { EDITOR: path };
}

async function seen(folder: string): Promise<readonly [string, string]> {
  const [path = '', ...modes] = (await readFile(join(folder, 'seen'), 'utf8')).trim().split(' ');
  return [path, modes.join(' ')];
}

test('edit opens the text in memory, for its owner alone, and leaves nothing behind', async (context) => {
  const { run, folder } = await desk(context);
  run(['set', 'pw'], 'hunter2');
  const env = await editor(folder, 'sed -i s/2/3/ "$1"; cp "$1" "$1~"');
  const { code, err } = run(['edit', 'pw'], '', env);
  assert.equal(code, 0, err);
  assert.equal(run(['get', 'pw']).out, 'hunter3');
  const [path, modes] = await seen(folder);
  assert.match(path, /^\/dev\/shm\/holdfast-edit-\d+-\w+\/pw$/);
  assert.equal(modes, '600 700');
  await assert.rejects(stat(join(path, '..')), /ENOENT/);
});

test('edit of a text that stays leaves the file as it was; a failed editor or an emptied text does too', async (context) => {
  const { run, folder, read } = await desk(context);
  run(['set', 'pw'], 'hunter2');
  const before = await read(AGE_FILE);
  const cases: readonly (readonly [string, number, RegExp])[] = [
    ['touch "$1"', 0, /^pw is unchanged\n$/],
    ['echo x >"$1"; exit 3', 1, /the editor ended with 3; nothing was changed/],
    [': >"$1"', 1, /the text of "pw" is empty/],
    ['kill -9 $$', 1, /the editor ended with SIGKILL/],
  ];
  for (const [script, code, message] of cases) {
    const ended = run(['edit', 'pw'], '', await editor(folder, script));
    assert.equal(ended.code, code, ended.err);
    assert.match(ended.err, message);
    assert.equal(await read(AGE_FILE), before);
    await assert.rejects(stat(join((await seen(folder))[0], '..')), /ENOENT/);
  }
  assert.match(run(['edit', 'pw'], '', { EDITOR: '/none' }).err, /cannot start the editor "\/none".*set \$EDITOR/);
});

for (const signal of ['SIGTERM', 'SIGHUP', 'SIGKILL'] as const) {
  test(`edit that is ended by ${signal} leaves no text behind${signal === 'SIGKILL' ? ', once there is another edit' : ''}`, async (context) => {
    const { run, folder, env, read } = await desk(context);
    run(['set', 'pw'], 'hunter2');
    const before = await read(AGE_FILE);
    const slow = await editor(folder, 'exec sleep 60');
    const child = spawn(process.execPath, [MAIN, 'secret', 'edit', 'pw'], {
      cwd: folder,
      env: { ...env, ...slow },
      stdio: 'ignore',
      detached: true,
    });
    const ended = new Promise((resolve) => child.once('exit', (code, by) => resolve(code ?? by)));
    let path = '';
    for (let tries = 0; tries < 400 && !path.includes('holdfast-edit'); tries += 1) {
      await sleep(25);
      path = await seen(folder).then(
        ([one]) => one,
        () => '',
      );
    }
    assert.match(path, /holdfast-edit/);
    child.kill(signal);
    const status = await ended;
    if (child.pid !== undefined && signal === 'SIGKILL') process.kill(-child.pid, 'SIGKILL');
    assert.equal(status, { SIGTERM: 143, SIGHUP: 129, SIGKILL: 'SIGKILL' }[signal]);
    if (signal === 'SIGKILL') run(['edit', 'pw'], '', await editor(folder, 'true'));
    await assert.rejects(stat(join(path, '..')), /ENOENT/);
    assert.equal(await read(AGE_FILE), before);
  });
}

const SCRIPT = spawnSync('script', ['--version']).status === 0;

test('on a terminal the text is asked for twice and not shown', {
  skip: !SCRIPT && 'script is not installed',
}, async (context) => {
  const { folder, env, run } = await desk(context);
  const typed = await typing(folder, env, ['hunterx\u007f2\r', 'hunter2\r']);
  assert.equal(typed.code, 0, typed.out);
  assert.match(typed.out, /Text of pw \(not shown\): \s+Once more: \s+pw is made/);
  assert.doesNotMatch(typed.out, /hunter/);
  assert.equal(run(['get', 'pw']).out, 'hunter2');
  assert.match((await typing(folder, env, ['one\r', 'two\r'])).out, /the two texts differ; nothing was changed/);
  assert.equal((await typing(folder, env, ['hun\u0003'])).code, 130);
  assert.equal(run(['get', 'pw']).out, 'hunter2');
});

/** `holdfast secret set pw` on a terminal; each answer is given when it is asked for. */
async function typing(
  folder: string,
  env: NodeJS.ProcessEnv,
  answers: readonly string[],
): Promise<{ code: number | null; out: string }> {
  const command = `${process.execPath} ${MAIN} secret set pw`;
  const child = spawn('script', ['-q', '-e', '-c', command, '/dev/null'], {
    cwd: folder,
    env: { ...env, TERM: 'dumb', SHELL: '/bin/sh' },
  });
  let out = '';
  let given = 0;
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
    const asked = out.match(/(?:not shown|more)(?:\))?: /g)?.length ?? 0;
    if (asked > given && given < answers.length) child.stdin.write(answers[given++] ?? '');
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, out };
}
