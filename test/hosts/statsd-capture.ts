/**
 * In the place of a Datadog Agent: records the DogStatsD datagrams that arrive on UDP port 8125, and serves them on
 * HTTP port 8126: `GET /datagrams[?since=<ms>]` answers a JSON array of `Datagram`, `DELETE /datagrams` forgets them.
 * Started with the address to listen on. It runs on hosts, so it imports nothing but Node's own modules.
 */
import { createSocket } from 'node:dgram';
import { createServer } from 'node:http';

export interface Datagram {
  /** Milliseconds since 1970. */
  readonly received_ms: number;
  /** Address and port that it came from. */
  readonly from: string;
  /** The datagram as it came: several metrics are divided by newlines. */
  readonly text: string;
}

const UDP_PORT = 8125;
const HTTP_PORT = 8126;
/** About 100 MB of full datagrams; the oldest go first. */
const MAX_KEPT = 70_000;

const address = process.argv[2] ?? '127.0.0.1';
let kept: Datagram[] = [];

const socket = createSocket('udp4');
socket.on('message', (message, sender) => {
  kept.push({ received_ms: Date.now(), from: `${sender.address}:${sender.port}`, text: message.toString() });
  if (kept.length > MAX_KEPT) kept = kept.slice(-MAX_KEPT / 2);
});

const server = createServer((request, response) => {
  const url = new URL(request.url ?? '/', 'http://capture');
  if (url.pathname !== '/datagrams') {
    response.writeHead(404).end();
  } else if (request.method === 'DELETE') {
    kept = [];
    response.writeHead(204).end();
  } else {
    const since = Number(url.searchParams.get('since') ?? 0);
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(kept.filter((datagram) => datagram.received_ms >= since)));
  }
});

socket.bind(UDP_PORT, address, () => server.listen(HTTP_PORT, address));
