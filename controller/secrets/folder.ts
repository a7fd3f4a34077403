import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { hint } from '../compile/names.ts';
import {
  contentProblem,
  nameProblem,
  parseRecipients,
  RECIPIENTS_FILE,
  type Recipient,
  SECRET_SUFFIX,
  SECRETS_FOLDER,
} from '../compile/sealed.ts';
import { decrypt, encrypt, isRecipient, secretText } from './age.ts';

/** Something that the operator has to mend; the message says what to do and never quotes a secret. */
export class SecretError extends Error {
  override readonly name = 'SecretError';
}

/** The encrypted secrets of a working tree: `secrets/` of a folder such as `desired-state`. */
export class SecretFolder {
  readonly #root: string;

  /** `root`: the folder that holds hosts/ and roles/. */
  constructor(root: string) {
    this.#root = root.replace(/(?<=.)\/+$/, '');
  }

  pathOf(name: string): string {
    return join(this.#root, SECRETS_FOLDER, `${name}${SECRET_SUFFIX}`);
  }

  get recipientsPath(): string {
    return join(this.#root, RECIPIENTS_FILE);
  }

  /** Sorted. */
  async names(): Promise<readonly string[]> {
    const entries = await readdir(join(this.#root, SECRETS_FOLDER)).catch(missing<string[]>([]));
    return entries
      .filter((entry) => entry.endsWith(SECRET_SUFFIX))
      .map((entry) => entry.slice(0, -SECRET_SUFFIX.length))
      .filter((name) => nameProblem(name) === undefined)
      .sort();
  }

  /** The encrypted file; `undefined` where there is none. */
  read(name: string): Promise<Buffer | undefined> {
    return readFile(this.pathOf(name)).catch(missing(undefined));
  }

  /** The text of a secret. Throws `AgeError`, and `SecretError` with the nearest name where there is none. */
  async text(name: string, identities: readonly string[]): Promise<string> {
    const content = await this.read(name);
    if (content === undefined) {
      throw new SecretError(`there is no secret "${name}" in ${this.#root}${hint(name, await this.names())}`);
    }
    return secretText(await decrypt(content, identities));
  }

  /** Those that new secrets are encrypted to. Throws `SecretError` where there are none, or a line is wrong. */
  async recipients(): Promise<readonly Recipient[]> {
    const recipients = await this.listRecipients();
    if (recipients.length > 0) return recipients;
    throw new SecretError(
      `${this.recipientsPath} names nobody to encrypt to; add the controller's key, which its log and status show, and your own: holdfast secret recipients add age1…`,
    );
  }

  async listRecipients(): Promise<readonly Recipient[]> {
    const { recipients, problems } = parseRecipients(await this.#recipientsText());
    const wrong = problems.map(({ line, message }) => `${this.recipientsPath}:${line}:1 ${message}`);
    for (const { text, line } of recipients) {
      if (!(await isRecipient(text))) wrong.push(`${this.recipientsPath}:${line}:1 not a recipient: a typing error?`);
    }
    if (wrong.length > 0) throw new SecretError(wrong.join('\n'));
    return recipients;
  }

  /** Whether something was added. */
  async addRecipient(recipient: string, comment: string): Promise<boolean> {
    const known = await this.listRecipients();
    if (known.some(({ text }) => text === recipient)) return false;
    const before = await this.#recipientsText();
    const lines = [...(comment === '' ? [] : [`# ${comment}`]), recipient];
    await replaceFile(
      this.recipientsPath,
      `${before}${before === '' || before.endsWith('\n') ? '' : '\n'}${lines.join('\n')}\n`,
    );
    return true;
  }

  /** With the comment above it. Throws `SecretError` where it is not there, or is the last one. */
  async removeRecipient(recipient: string): Promise<void> {
    const known = await this.listRecipients();
    const found = known.find(({ text }) => text === recipient);
    if (found === undefined) throw new SecretError(`${this.recipientsPath} has no ${recipient}`);
    if (known.length === 1) throw new SecretError('it is the only recipient: nobody could read the secrets any more');
    const lines = (await this.#recipientsText()).split('\n');
    const from = found.comment !== '' && lines[found.line - 2]?.trim().startsWith('#') === true ? 2 : 1;
    await replaceFile(this.recipientsPath, lines.toSpliced(found.line - from, from).join('\n'));
  }

  /** Encrypts and writes. Whether there was such a secret before. */
  async write(name: string, text: string, recipients: readonly Recipient[]): Promise<{ readonly replaced: boolean }> {
    const sealed = await this.seal(name, text, recipients);
    const replaced = (await this.read(name)) !== undefined;
    await replaceFile(this.pathOf(name), sealed);
    return { replaced };
  }

  /** Throws `SecretError` for a text that the controller would refuse. */
  async seal(name: string, text: string, recipients: readonly Recipient[]): Promise<string> {
    const problem = nameProblem(name);
    if (problem !== undefined) throw new SecretError(problem);
    if (secretText(text) === '') throw new SecretError(`the text of "${name}" is empty; nothing was changed`);
    const sealed = await encrypt(
      secretText(text),
      recipients.map((recipient) => recipient.text),
    );
    const content = contentProblem(Buffer.from(sealed));
    if (content !== undefined)
      throw new SecretError(`"${name}" would be ${content} when encrypted; nothing was changed`);
    return sealed;
  }

  /** All files or, where one cannot be written, none that was not complete: each is replaced in one step. */
  async replace(sealed: ReadonlyMap<string, string>): Promise<void> {
    const prepared: { readonly temporary: string; readonly path: string }[] = [];
    try {
      for (const [name, text] of sealed) {
        const path = this.pathOf(name);
        prepared.push({ temporary: await writeBeside(path, text), path });
      }
      for (const { temporary, path } of prepared) await rename(temporary, path);
    } finally {
      for (const { temporary } of prepared) await rm(temporary, { force: true });
    }
  }

  /** Throws `SecretError` where the folder is none. */
  async check(): Promise<void> {
    const stats = await stat(this.#root).catch(missing(undefined));
    if (stats?.isDirectory() !== true) {
      throw new SecretError(`${this.#root} is not a directory: run this in the repository, or give --directory`);
    }
  }

  #recipientsText(): Promise<string> {
    return readFile(this.recipientsPath, 'utf8').catch(missing(''));
  }
}

function missing<T>(value: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === 'ENOENT') return value;
    throw error;
  };
}

async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = await writeBeside(path, text);
  await rename(temporary, path).catch(async (error: unknown) => {
    await rm(temporary, { force: true });
    throw error;
  });
}

/** With the rights that the umask gives: it goes into a repository. A dot file, which the compiler does not read. */
async function writeBeside(path: string, text: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}`);
  const file = await open(temporary, 'wx', 0o666);
  try {
    await file.writeFile(text);
    await file.sync();
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  } finally {
    await file.close();
  }
  return temporary;
}
