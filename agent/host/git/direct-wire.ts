import { connect, type Socket } from 'node:net';

const DEFAULT_PORT = 9418;
/** A server of the old protocol lists every ref that it has. */
const MAX_ANSWER_BYTES = 16_777_216;
const GOODBYE_MS = 1_000;
const LINE = /^(?<commit>[0-9a-f]{40}) (?<ref>[^ \0\n]+)/;
const PEELED = / peeled:(?<commit>[0-9a-f]{40})/;

type Packet = Buffer | 'flush';

/**
 * The commit that a ref has on a git server, by the `git://` protocol in version 2, or 0 where the server is old (gitprotocol-v2(5),
 * gitprotocol-pack(5)). `undefined` where it has no such ref. Rejects when the server is away or says no.
 */
export async function readRefByGitProtocol(url: URL, ref: string, timeout_ms: number): Promise<string | undefined> {
  const port = url.port === '' ? DEFAULT_PORT : Number(url.port);
  const socket = connect({ host: url.hostname.replace(/^\[|\]$/g, ''), port });
  // Whoever reads is told; an error while nobody does is none of ours.
  socket.on('error', () => {});
  const timer = setTimeout(() => socket.destroy(new Error(`${url.host} did not answer in time`)), timeout_ms);
  try {
    socket.write(packet(`git-upload-pack ${decodeURIComponent(url.pathname)}\0host=${url.host}\0\0version=2\0`));
    const packets = readPackets(socket);
    const greeting = await untilFlush(packets);
    if (greeting[0]?.startsWith('version 2') !== true) return fromOldListing(greeting, ref);
    const format = greeting.some((line) => line.startsWith('object-format=')) ? [packet('object-format=sha1\n')] : [];
    const question = [packet('command=ls-refs\n'), ...format, '0001', packet('peel\n'), packet(`ref-prefix ${ref}\n`)];
    socket.write(`${question.join('')}0000`);
    const answer = (await untilFlush(packets)).find((line) => LINE.exec(line)?.groups?.['ref'] === ref);
    if (answer === undefined) return undefined;
    return PEELED.exec(answer)?.groups?.['commit'] ?? LINE.exec(answer)?.groups?.['commit'];
  } finally {
    clearTimeout(timer);
    // A flush instead of a request says that we want nothing more; the server closes then.
    socket.end('0000');
    setTimeout(() => socket.destroy(), GOODBYE_MS).unref();
  }
}

function fromOldListing(lines: readonly string[], ref: string): string | undefined {
  const found = new Map(
    lines.map((line) => {
      const { commit = '', ref: name = '' } = LINE.exec(line)?.groups ?? {};
      return [name, commit] as const;
    }),
  );
  return found.get(`${ref}^{}`) ?? found.get(ref);
}

function packet(text: string): string {
  return `${(Buffer.byteLength(text) + 4).toString(16).padStart(4, '0')}${text}`;
}

async function untilFlush(packets: AsyncGenerator<Packet>): Promise<readonly string[]> {
  const lines: string[] = [];
  for (;;) {
    const { done, value } = await packets.next();
    if (done === true) throw new Error('the git server ended the connection');
    if (value === 'flush') return lines;
    const line = value.toString();
    if (line.startsWith('ERR ')) throw new Error(line.slice('ERR '.length).trim());
    lines.push(line);
  }
}

/** Four hexadecimal digits of length, themselves included, before each packet; `0000` is a flush. */
async function* readPackets(socket: Socket): AsyncGenerator<Packet> {
  let buffer = Buffer.alloc(0);
  let total = 0;
  // The socket outlives the loop: who asked closes it.
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    const data: Buffer = chunk;
    buffer = Buffer.concat([buffer, data]);
    total += data.length;
    if (total > MAX_ANSWER_BYTES) throw new Error('the git server says too much');
    for (;;) {
      const length = Number.parseInt(buffer.toString('latin1', 0, 4), 16);
      if (buffer.length < 4) break;
      if (length === 0) {
        yield 'flush';
        buffer = buffer.subarray(4);
        continue;
      }
      if (!(length >= 4)) throw new Error('the git server does not speak the git protocol');
      if (buffer.length < length) break;
      yield buffer.subarray(4, length);
      buffer = buffer.subarray(length);
    }
  }
}
