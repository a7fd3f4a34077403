import { createInterface } from 'node:readline/promises';
import { ReadStream } from 'node:tty';
import { UsageError } from '../options.ts';
import { askHidden } from './ask-hidden.ts';
import { Client, fetchAuthority } from './client.ts';
import type { Command, Work } from './command.ts';
import { CommandError, parseUrl, readCa, readToken, tokenIn, writeConfig } from './settings.ts';
import type { StatusAnswer } from './status.ts';
import { count } from './text.ts';

const MOST_TOKEN_BYTES = 4096;

export const login: Command = {
  name: 'login',
  args: 'URL',
  summary: 'remembers a controller, its authority and your token, once they are shown to fit',
  about:
    'The token comes from --token-file or standard input, never from the command line. The authority is the one of\n' +
    '--ca-file, or what the controller shows if its SHA-256 is --pin, or if you say that it is the right one. It is in the\n' +
    'log of the controller as "pin", and at the end of each join token. Kept in ~/.config/holdfast.',
  options: { pin: { value: 'SHA256', help: "of the controller's authority, hex" } },
  online: true,
  async run(work) {
    const url = parseUrl(work.args[0] ?? '');
    const ca = await authorityOf(work, url);
    const token = await tokenOf(work);
    const client = new Client({ url, ca, token, tokenFile: work.text('token-file') ?? 'what you have given' });
    try {
      const { hosts } = await client.ask<StatusAnswer>('GET /v1/status');
      const folder = await writeConfig(work.io.env, { url, ca, token });
      work.answer(
        { controller: url.origin, folder, hosts: hosts.length },
        () => `${url.origin} with ${count(hosts.length, 'host')} is remembered in ${folder}; next: holdfast status\n`,
      );
    } finally {
      client.close();
    }
    return 0;
  },
};

async function authorityOf(work: Work, url: URL): Promise<string> {
  const { io } = work;
  const file = work.text('ca-file');
  if (file !== undefined) return readCa(file);
  const pin = work.text('pin')?.toLowerCase().replaceAll(':', '');
  if (pin !== undefined && !/^[0-9a-f]{64}$/.test(pin)) throw new UsageError('--pin expects 64 hex digits');
  const found = await fetchAuthority(url);
  if (pin === found.pin) return found.pem;
  if (pin !== undefined) {
    throw new CommandError(
      `${url.origin} shows another authority than that of --pin, SHA-256 ${found.pin}: it is not the right controller, or somebody is in between`,
    );
  }
  if (!(io.stdin instanceof ReadStream)) {
    throw new CommandError(
      `the authority of ${url.origin} has the SHA-256 ${found.pin}; if the log of the controller says the same: --pin ${found.pin}`,
    );
  }
  io.err(
    `The authority of ${url.origin} has the SHA-256\n  ${found.pin}\nThe log of the controller says it as "pin".\n`,
  );
  const lines = createInterface({ input: io.stdin, output: process.stderr });
  try {
    const answer = await lines.question('Is it the same? [yes/no] ');
    if (answer.trim().toLowerCase() !== 'yes') throw new CommandError('nothing was remembered');
  } finally {
    lines.close();
  }
  return found.pem;
}

async function tokenOf(work: Work): Promise<string> {
  const file = work.text('token-file');
  if (file !== undefined) return readToken(file);
  const { stdin } = work.io;
  if (stdin instanceof ReadStream && stdin.isTTY) {
    const [token = ''] = await askHidden(['Your token (not shown): '], stdin, process.stderr);
    return tokenIn(token, 'what you have typed');
  }
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stdin) {
    const bytes = Buffer.from(chunk);
    length += bytes.length;
    if (length > MOST_TOKEN_BYTES) throw new CommandError('standard input holds more than a token');
    chunks.push(bytes);
  }
  return tokenIn(Buffer.concat(chunks).toString('utf8'), 'standard input');
}
