import { randomBytes } from 'node:crypto';
import { homedir } from 'node:os';
import { ReadStream } from 'node:tty';
import { parseArgs } from 'node:util';
import { contentProblem, nameProblem } from '../compile/sealed.ts';
import { UsageError } from '../options.ts';
import { AgeError, countRecipients, decrypt, isRecipient } from '../secrets/age.ts';
import { editText } from '../secrets/editor.ts';
import { SecretError, SecretFolder } from '../secrets/folder.ts';
import { createIdentity, type Identities, operatorIdentityPath, readIdentities } from '../secrets/identity.ts';
import { askHidden, Interrupted } from './ask-hidden.ts';
import type { Output } from './validate.ts';

export const SECRET_HELP = `Usage: holdfast secret COMMAND [options]

Secrets in git: one file secrets/NAME.age each, encrypted with age to the recipients in secrets/recipients.txt, the
controller's key among them. A manifest names one as !secret NAME. Works without a controller.

  set NAME                    takes the text from standard input, or asks for it without showing it
  get NAME                    prints the text
  edit NAME                   opens the text in $VISUAL or $EDITOR, in memory alone
  generate NAME [--bytes N]   makes a random text of N bytes in base64url (default: 32); --force replaces one
  list                        the secrets, and whether you can read them
  rekey [--dry-run]           encrypts all of them again, to the present recipients
  recipients [list]           to whom secrets are encrypted
  recipients add AGE1…        [--for WHOM]
  recipients remove AGE1…
  keygen                      makes your own key, and prints its recipient

  --directory DIR             where secrets/ is (default: desired-state)
  --identity FILE             your key, to read with; default: $HOLDFAST_IDENTITY_FILE, or
                              ~/.config/holdfast/identity.txt
  --json                      what was done or found, as JSON

Exit status: 0 done, 1 it could not be done, 2 wrong command line, 130 Ctrl-C.
`;

const MAX_INPUT_BYTES = 64 * 1024;
const MIN_RANDOM_BYTES = 16;
const MAX_RANDOM_BYTES = 4096;

export interface SecretInput {
  /** A terminal, or what is piped in. */
  readonly stdin: NodeJS.ReadableStream;
  readonly stdout: { readonly isTTY?: boolean };
  readonly env: NodeJS.ProcessEnv;
}

const PROCESS: SecretInput = { stdin: process.stdin, stdout: process.stdout, env: process.env };

/** The exit status. Throws `UsageError`. */
export async function secret(args: readonly string[], output: Output, input: SecretInput = PROCESS): Promise<number> {
  const { values, positionals } = parse(args);
  const [command, ...rest] = positionals;
  if (values.help === true) {
    output.out(SECRET_HELP);
    return 0;
  }
  const run = command === undefined ? undefined : COMMANDS.get(command);
  if (run === undefined) {
    throw new UsageError(
      command === undefined
        ? 'which command of secret?'
        : `there is no command "secret ${command}"; known: ${[...COMMANDS.keys()].join(', ')}`,
    );
  }
  const folder = new SecretFolder(values.directory);
  try {
    if (command !== 'keygen') await folder.check();
    await run({ rest, values, folder, input, output });
    return 0;
  } catch (error) {
    if (error instanceof UsageError) throw error;
    output.err(`holdfast: ${error instanceof Error ? error.message : String(error)}\n`);
    return error instanceof Interrupted ? 130 : 1;
  }
}

type Values = ReturnType<typeof parse>['values'];

interface Work {
  readonly rest: readonly string[];
  readonly values: Values;
  readonly folder: SecretFolder;
  readonly input: SecretInput;
  readonly output: Output;
}

const COMMANDS: ReadonlyMap<string, (work: Work) => Promise<void>> = new Map([
  ['set', set],
  ['get', get],
  ['edit', edit],
  ['generate', generate],
  ['list', list],
  ['rekey', rekey],
  ['recipients', recipients],
  ['keygen', keygen],
]);

async function set(work: Work): Promise<void> {
  const name = onlyName(work);
  // Before anybody is asked for a text.
  const to = await work.folder.recipients();
  const text = await takeText(name, work.input);
  await write(work, name, text, to);
}

async function get(work: Work): Promise<void> {
  const name = onlyName(work);
  const text = await named(name, work.folder.text(name, (await identities(work)).keys));
  if (work.values.json === true) return json(work, { name, text });
  work.output.out(work.input.stdout.isTTY === true && !text.endsWith('\n') ? `${text}\n` : text);
}

async function edit(work: Work): Promise<void> {
  const name = onlyName(work);
  const to = await work.folder.recipients();
  const isThere = (await work.folder.read(name)) !== undefined;
  const before = isThere ? await named(name, work.folder.text(name, (await identities(work)).keys)) : '';
  const shown = before === '' || before.endsWith('\n') ? before : `${before}\n`;
  const after = await editText(name, shown, work.input.env);
  if (after === shown || after === before) {
    if (work.values.json === true) return json(work, { name, path: work.folder.pathOf(name), changed: false });
    work.output.err(`${name} is unchanged\n`);
    return;
  }
  await write(work, name, after, to);
}

async function generate(work: Work): Promise<void> {
  const name = onlyName(work);
  const bytes = /^\d+$/.test(work.values.bytes) ? Number(work.values.bytes) : Number.NaN;
  if (!(bytes >= MIN_RANDOM_BYTES && bytes <= MAX_RANDOM_BYTES)) {
    throw new UsageError(`--bytes expects a number from ${MIN_RANDOM_BYTES} to ${MAX_RANDOM_BYTES}`);
  }
  const to = await work.folder.recipients();
  if (work.values.force !== true && (await work.folder.read(name)) !== undefined) {
    throw new SecretError(
      `there is a secret "${name}" already; to replace it: holdfast secret generate ${name} --force`,
    );
  }
  await write(work, name, randomBytes(bytes).toString('base64url'), to);
}

async function write(work: Work, name: string, text: string, to: Awaited<ReturnType<SecretFolder['recipients']>>) {
  const { replaced } = await work.folder.write(name, text, to);
  const path = work.folder.pathOf(name);
  if (work.values.json === true) return json(work, { name, path, changed: true, replaced, recipients: to.length });
  work.output.err(
    `${name} is ${replaced ? 'replaced' : 'made'}, encrypted to ${count(to.length, 'recipient')}: commit ${path}\n`,
  );
}

async function list(work: Work): Promise<void> {
  expectNone(work);
  const keys = await identities(work).catch(() => undefined);
  const now = (await work.folder.listRecipients()).length;
  const found = [];
  for (const name of await work.folder.names()) found.push(await look(work.folder, name, keys, now));
  if (work.values.json === true) return json(work, { secrets: found });
  const width = Math.max(4, ...found.map(({ name }) => name.length));
  work.output.out(`${'NAME'.padEnd(width)}  RECIPIENTS  READABLE\n`);
  for (const { name, recipients: number, readable, problem } of found) {
    const answer = problem ?? (readable === undefined ? 'no key to try with' : 'yes');
    work.output.out(`${name.padEnd(width)}  ${String(number ?? '?').padEnd(10)}  ${answer}\n`);
  }
}

async function look(folder: SecretFolder, name: string, keys: Identities | undefined, now: number) {
  const content = (await folder.read(name)) ?? Buffer.alloc(0);
  const number = await countRecipients(content);
  const unread =
    keys === undefined ? contentProblem(content) : await decrypt(content, keys.keys).then(noProblem, messageOf);
  const other =
    number !== now
      ? `encrypted to ${count(number ?? 0, 'recipient')} of ${now}; run: holdfast secret rekey`
      : undefined;
  const problem = unread ?? other;
  return {
    name,
    path: folder.pathOf(name),
    recipients: number,
    readable: keys === undefined ? undefined : unread === undefined,
    problem,
  };
}

async function rekey(work: Work): Promise<void> {
  expectNone(work);
  const { folder, output } = work;
  const to = await folder.recipients();
  const { keys } = await identities(work);
  const sealed = new Map<string, string>();
  const failures: string[] = [];
  for (const name of await folder.names()) {
    try {
      sealed.set(name, await folder.seal(name, await folder.text(name, keys), to));
    } catch (error) {
      failures.push(`${folder.pathOf(name)}: ${messageOf(error)}`);
    }
  }
  if (failures.length > 0) throw new SecretError(`${failures.join('\n')}\nnothing was changed`);
  const dry = work.values['dry-run'] === true;
  if (!dry) await folder.replace(sealed);
  const paths = [...sealed.keys()].map((name) => folder.pathOf(name));
  if (work.values.json === true) return json(work, { paths, recipients: to.length, changed: !dry });
  for (const path of paths) output.out(`${path}\n`);
  const verb = dry ? 'would be' : 'were';
  output.err(`${count(paths.length, 'file')} ${verb} encrypted to ${count(to.length, 'recipient')}\n`);
}

async function recipients(work: Work): Promise<void> {
  const [command = 'list', recipient, ...more] = work.rest;
  const { folder, output, values } = work;
  if (command === 'list' && recipient === undefined) {
    const all = await folder.listRecipients();
    if (values.json === true) return json(work, { recipients: all });
    for (const { text, comment } of all) output.out(`${text}${comment === '' ? '' : `  ${comment}`}\n`);
    return;
  }
  if (command !== 'add' && command !== 'remove') throw new UsageError('expected recipients list, add or remove');
  if (recipient === undefined || more.length > 0) throw new UsageError(`expected: recipients ${command} age1…`);
  if (/^AGE-SECRET-KEY/i.test(recipient)) {
    throw new SecretError(
      'that is a secret key, now in the history of your shell: make another; a recipient begins with age1',
    );
  }
  if (!(await isRecipient(recipient))) throw new UsageError('expected a recipient "age1…" as keygen prints it');
  const comment = values.for ?? '';
  if (/[\r\n]/.test(comment)) throw new UsageError('--for expects one line');
  const changed = command === 'add' ? await folder.addRecipient(recipient, comment) : true;
  if (command === 'remove') await folder.removeRecipient(recipient);
  if (values.json === true) return json(work, { path: folder.recipientsPath, changed });
  output.err(changed ? `${folder.recipientsPath} is changed\n` : `${recipient} is a recipient already\n`);
  if (!changed || (await folder.names()).length === 0) return;
  output.err('the secrets are encrypted as before; run: holdfast secret rekey\n');
  if (command === 'remove') {
    output.err('who could read them goes on knowing them, and those in the history of git: set new ones\n');
  }
}

async function keygen(work: Work): Promise<void> {
  expectNone(work);
  const path = identityPath(work);
  const { recipient } = await createIdentity(path);
  if (work.values.json === true) return json(work, { path, recipient });
  work.output.out(`${recipient}\n`);
  work.output.err(
    `your key is in ${path}: keep a copy of it; next: holdfast secret recipients add ${recipient} --for YOU\n`,
  );
}

function identityPath({ values, input }: Work): string {
  return values.identity ?? operatorIdentityPath(input.env, homedir());
}

function identities(work: Work): Promise<Identities> {
  return readIdentities(identityPath(work));
}

/** What went wrong with the file of a secret, with its name. */
async function named<T>(name: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw error instanceof AgeError ? new SecretError(`secret "${name}": ${messageOf(error)}`) : error;
  }
}

function messageOf(error: unknown): string {
  if (error instanceof AgeError && error.reason === 'other key') {
    return 'not encrypted to your key; somebody who can read it has to add you and run: holdfast secret rekey';
  }
  return error instanceof Error ? error.message : String(error);
}

function noProblem(): undefined {
  return undefined;
}

async function takeText(name: string, { stdin }: SecretInput): Promise<string> {
  if (stdin instanceof ReadStream && stdin.isTTY) {
    const questions = [`Text of ${name} (not shown): `, 'Once more: '];
    const [text = '', again] = await askHidden(questions, stdin, process.stderr);
    if (text !== again) throw new SecretError('the two texts differ; nothing was changed');
    return text;
  }
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stdin) {
    const bytes = Buffer.from(chunk);
    length += bytes.length;
    if (length > MAX_INPUT_BYTES)
      throw new SecretError(`the text is larger than ${MAX_INPUT_BYTES} bytes; nothing was changed`);
    chunks.push(bytes);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(chunks));
  } catch {
    throw new SecretError('the text is not UTF-8; nothing was changed');
  }
}

function onlyName({ rest }: Work): string {
  const [name, ...more] = rest;
  if (name === undefined) throw new UsageError('expected the name of a secret');
  // What follows may be the secret: it is not quoted.
  if (more.length > 0)
    throw new UsageError('expected one name; the text comes from standard input, never from the command line');
  const problem = nameProblem(name);
  if (problem !== undefined) throw new UsageError(problem);
  return name;
}

function expectNone({ rest }: Work): void {
  if (rest.length > 0) throw new UsageError('expected no further arguments');
}

function json({ output }: Work, value: object): void {
  output.out(`${JSON.stringify(value, null, 2)}\n`);
}

function count(number: number, word: string): string {
  return `${number} ${word}${number === 1 ? '' : 's'}`;
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        directory: { type: 'string', default: 'desired-state' },
        identity: { type: 'string' },
        bytes: { type: 'string', default: '32' },
        for: { type: 'string' },
        force: { type: 'boolean' },
        'dry-run': { type: 'boolean' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}
