/**
 * What answers hosts of a test network at its gateway, in the internet's place: at once, where a lookup or a
 * connection that goes nowhere would keep every `apt-get update` waiting for half a minute.
 * A name server knows only Debian's mirror and gives this gateway as its address; a web server says there that
 * the package lists which a host has are the newest.
 */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';

const MIRROR = 'deb.debian.org';
const DNS_PORT = 53;
const HTTP_PORT = 80;

export interface Gateway {
  close(): void;
}

/** Listens on an address of this machine. Keeps no process alive. */
export async function openGateway(address: string): Promise<Gateway> {
  const names = nameServer(address);
  const mirror = unchangedMirror();
  names.bind(DNS_PORT, address);
  mirror.listen(HTTP_PORT, address);
  await Promise.all([once(names, 'listening'), once(mirror, 'listening')]).catch((error: unknown) => {
    names.close();
    mirror.close();
    throw new Error(`another program has port ${DNS_PORT} or ${HTTP_PORT} of every address: ${String(error)}`, {
      cause: error,
    });
  });
  names.unref();
  mirror.unref();
  return {
    close: () => {
      names.close();
      mirror.close();
    },
  };
}

function unchangedMirror(): Server {
  return createServer((request, response) => {
    const isKnown = request.url?.endsWith('/InRelease') && request.headers['if-modified-since'] !== undefined;
    response.writeHead(isKnown ? 304 : 404).end();
  });
}

function nameServer(address: string): Socket {
  const socket = createSocket('udp4');
  socket.on('message', (query, sender) => {
    const answer = answerTo(query, address);
    if (answer !== undefined) socket.send(answer, sender.port, sender.address);
  });
  return socket;
}

const HEADER_BYTES = 12;
/** Flags of an answer: it is one (0x8000), recursion is available (0x0080); 3 in the low bits: no such name. */
const ANSWERED = 0x8080;
const NO_SUCH_NAME = 3;
const RECURSION_DESIRED = 0x0100;
const TYPE_A = 1;

/** RFC 1035. Answers the query's one question with its own text, and an address record where one is asked for. */
function answerTo(query: Buffer, address: string): Buffer | undefined {
  const question = questionOf(query);
  if (question === undefined) return undefined;
  const isMirror = question.name === MIRROR;
  const record = isMirror && question.type === TYPE_A ? addressRecord(address) : Buffer.alloc(0);
  const answer = Buffer.concat([query.subarray(0, question.end), record]);
  const desired = query.readUInt16BE(2) & RECURSION_DESIRED;
  answer.writeUInt16BE(ANSWERED | desired | (isMirror ? 0 : NO_SUCH_NAME), 2);
  answer.writeUInt16BE(record.length > 0 ? 1 : 0, 6);
  answer.fill(0, 8, HEADER_BYTES);
  return answer;
}

/** A question is labels, each after its length, the last of length 0; then type and class, two bytes each. */
function questionOf(query: Buffer): { name: string; type: number; end: number } | undefined {
  const labels: string[] = [];
  let offset = HEADER_BYTES;
  for (let length = query[offset]; length !== undefined && length > 0; length = query[offset]) {
    labels.push(query.toString('latin1', offset + 1, offset + 1 + length));
    offset += 1 + length;
  }
  const end = offset + 5;
  if (query.length < end) return undefined;
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(offset + 1), end };
}

/** The name of the question (a pointer to it), type A, class IN, 60 s to live, four bytes. */
function addressRecord(address: string): Buffer {
  return Buffer.from([0xc0, HEADER_BYTES, 0, TYPE_A, 0, 1, 0, 0, 0, 60, 0, 4, ...address.split('.').map(Number)]);
}
