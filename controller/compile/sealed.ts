import { Secret } from '../../desired-state/schema/secret.ts';
import type { Issues, Place } from './issue.ts';
import { SECRET_NAME } from './names.ts';
import type { Secrets } from './secrets.ts';
import type { Tree } from './tree.ts';

/** Where the secrets of a tree are, each encrypted in a file of its own. */
export const SECRETS_FOLDER = 'secrets';
export const RECIPIENTS_FILE = `${SECRETS_FOLDER}/recipients.txt`;
export const SECRET_SUFFIX = '.age';

export const SEALED_LIMITS = {
  files: 5_000,
  fileBytes: 64 * 1024,
} as const;

/** What came out of the encrypted files of a tree, see `controller/secrets/vault.ts`. */
export interface Opened {
  /** By name. */
  readonly values: Secrets;
  /** By path: why a file could not be decrypted, and what to do. Never what is in it. */
  readonly problems: ReadonlyMap<string, string>;
  /** Whose key they were decrypted with, as a recipient: `age1…`. */
  readonly recipient: string;
}

/** The secrets that a tree may name. */
export interface KnownSecrets {
  /** `undefined` where any name may be one. */
  readonly names: readonly string[] | undefined;
  get(name: string): Secret | undefined;
}

/** Stands for a secret whose text is not at hand, as in an offline check: what a schema says of its text means nothing. */
export class UnknownSecret extends Secret {}

export interface SealedOptions {
  /** Those of the file outside of git; `undefined` where that is not at hand. */
  readonly outside: Secrets | undefined;
  /**
   * `names`: the files are there to be named and not to be read, as where there is no key. `undefined`: as `names` in an
   * offline check, and an issue where the secrets are needed.
   */
  readonly opened: Opened | 'names' | undefined;
  readonly display: (path: string) => string;
}

/** The secrets of both sources; everything that is wrong with the files in git becomes an issue. */
export function knownSecrets(tree: Tree, options: SealedOptions, issues: Issues): KnownSecrets {
  const { outside, display } = options;
  const opened = options.opened ?? (outside === undefined ? 'names' : undefined);
  const values = new Map<string, Secret>(outside);
  const files = secretFiles(tree);
  for (const { path, problem } of strangers(tree)) issues.add(top(display(path)), problem);
  for (const { name, path, problem } of files) {
    const secret = opened === undefined || opened === 'names' ? undefined : opened.values.get(name);
    const found =
      problem ??
      (opened === undefined ? NO_KEY : opened === 'names' ? undefined : opened.problems.get(path)) ??
      conflict(name, secret, outside);
    if (found !== undefined) issues.add(top(display(path)), found);
    values.set(name, secret ?? values.get(name) ?? new UnknownSecret(`<${name}>`));
  }
  if (files.length > SEALED_LIMITS.files) {
    issues.add(top(display(SECRETS_FOLDER)), `more than ${SEALED_LIMITS.files} secrets`);
  }
  checkRecipients(tree, opened, display, issues);
  if (outside === undefined && files.length === 0) {
    return { names: undefined, get: (name) => new UnknownSecret(`<${name}>`) };
  }
  return { names: [...values.keys()], get: (name) => values.get(name) };
}

const NO_KEY = 'this controller has no key to decrypt it with';

/** The same text in both is no conflict: that is how a secret moves into git. */
function conflict(name: string, secret: Secret | undefined, outside: Secrets | undefined): string | undefined {
  const other = outside?.get(name);
  if (other === undefined || secret === undefined || other.reveal() === secret.reveal()) return undefined;
  return `secret "${name}" stands in the controller's secrets file as well, with another text; remove it there or here`;
}

export interface SecretFile {
  readonly name: string;
  readonly path: string;
  /** Why it is no secret that could be decrypted, as far as it shows without a key. */
  readonly problem: string | undefined;
}

/** The files `secrets/<name>.age`, in the order of their names. */
export function secretFiles(tree: Tree): readonly SecretFile[] {
  const prefix = `${SECRETS_FOLDER}/`;
  return [...tree]
    .filter(([path, { type }]) => path.startsWith(prefix) && path.endsWith(SECRET_SUFFIX) && type !== 'refused')
    .map(([path, file]) => {
      const name = path.slice(prefix.length, -SECRET_SUFFIX.length);
      return { name, path, problem: nameProblem(name) ?? (file.type === 'file' ? contentProblem(file.content) : LINK) };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

const LINK = 'a symbolic link: each secret needs a file of its own';

export function nameProblem(name: string): string | undefined {
  if (SECRET_NAME.test(name)) return undefined;
  return `"${name}" is not a name of a secret (letters, digits, "_", "-" and ".", not "/")`;
}

/** What is wrong with an encrypted file, as far as it shows without a key. */
export function contentProblem(content: Buffer): string | undefined {
  if (content.length === 0) return 'the file is empty; set the secret again: holdfast secret set';
  if (content.length > SEALED_LIMITS.fileBytes) return `larger than ${SEALED_LIMITS.fileBytes} bytes`;
  const start = content.subarray(0, 64).toString('latin1').trimStart();
  if (start.startsWith('-----BEGIN AGE ENCRYPTED FILE-----') || start.startsWith('age-encryption.org/v1\n')) {
    return undefined;
  }
  return 'not encrypted with age; if this is the secret itself, everybody who has the repository knows it: change it, then run: holdfast secret set';
}

function strangers(tree: Tree): readonly { readonly path: string; readonly problem: string }[] {
  return [...tree.keys()].flatMap((path) => {
    const inside = path === SECRETS_FOLDER || path.startsWith(`${SECRETS_FOLDER}/`);
    if (!inside || path.endsWith(SECRET_SUFFIX) || path === RECIPIENTS_FILE) return [];
    if (/\/(?:README[^/]*|\.[^/]*|[^/]*~)$/.test(path)) return [];
    return [{ path, problem: 'expected files secrets/<name>.age and secrets/recipients.txt; nothing else is read' }];
  });
}

export interface Recipient {
  /** `age1…` */
  readonly text: string;
  /** The comment in the line above: for whom. */
  readonly comment: string;
  /** Counted from 1. */
  readonly line: number;
}

/** The lines of a recipients file as `age -R` reads it: one recipient each, comments in lines of their own. */
export function parseRecipients(text: string): {
  readonly recipients: readonly Recipient[];
  readonly problems: readonly { readonly line: number; readonly message: string }[];
} {
  const recipients: Recipient[] = [];
  const problems: { line: number; message: string }[] = [];
  let comment = '';
  for (const [index, raw] of text.split('\n').entries()) {
    const line = index + 1;
    const written = raw.trim();
    if (written.startsWith('#')) comment = written.slice(1).trim();
    if (written === '' || written.startsWith('#')) continue;
    const message = recipientProblem(written, recipients);
    if (message === undefined) recipients.push({ text: written, comment, line });
    else problems.push({ line, message });
    comment = '';
  }
  return { recipients, problems };
}

function recipientProblem(written: string, before: readonly Recipient[]): string | undefined {
  if (/^AGE-SECRET-KEY-/i.test(written)) {
    return 'a secret key, which is known from now on to everybody who has the repository: replace it, and all secrets';
  }
  const twin = before.find(({ text }) => text === written);
  if (twin !== undefined) return `stands in line ${twin.line} as well`;
  if (/^age1[a-z0-9]+\s*#/.test(written)) return 'put the comment into the line above, where age expects it';
  return /^age1[a-z0-9]{20,}$/.test(written)
    ? undefined
    : 'expected a recipient "age1…", or a comment that begins with #';
}

function checkRecipients(
  tree: Tree,
  opened: Opened | 'names' | undefined,
  display: (path: string) => string,
  issues: Issues,
): void {
  const file = tree.get(RECIPIENTS_FILE);
  if (file?.type !== 'file') return;
  const { recipients, problems } = parseRecipients(file.content.toString('utf8'));
  for (const { line, message } of problems) issues.add({ file: display(RECIPIENTS_FILE), line, column: 1 }, message);
  if (opened === undefined || opened === 'names' || problems.length > 0) return;
  if (recipients.some(({ text }) => text === opened.recipient)) return;
  issues.add(
    top(display(RECIPIENTS_FILE)),
    `this controller's key ${opened.recipient} is missing, so that it could not read the next secret; run: holdfast secret recipients add ${opened.recipient}`,
  );
}

function top(file: string): Place {
  return { file, line: 1, column: 1 };
}
