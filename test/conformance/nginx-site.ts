/** The nginx that its conformance tests declare, and a way to ask it as a client does. */
import { request } from 'node:http';
import type { Host } from '../hosts/host.ts';
import type { Sections } from './agent-on-host.ts';

export const NGINX = 'nginx/nginx';
export const INSTALL_NGINX =
  'DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends nginx openssl >/dev/null';
export const CERTIFICATE =
  'openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=todo -keyout /root/tls.key -out /root/tls.crt 2>/dev/null';

/**
 * A reload by hand is over only when the workers before it are gone: they would be missed in the second snapshot. nginx -s
 * returns before its master has begun.
 */
export const RELOAD_NGINX = `before=$(pgrep --delimiter , -f '^nginx: worker process') && systemctl reload nginx &&
  while ps --no-headers --pid "$before" >/dev/null; do sleep 0.1; done`;

const TODO = `server {
  listen 80;
  location / { default_type text/plain; return 200 "todo one\\n"; }
}
server {
  listen 443 ssl;
  ssl_certificate /root/tls.crt;
  ssl_certificate_key /root/tls.key;
  return 204;
}
`;
const SECOND = `server {
  listen 8081;
  location / { default_type text/plain; return 200 "second\\n"; }
}
`;

/** Two sites and a fragment; `changes` go over the section. */
export function nginxSections(changes: Readonly<Record<string, unknown>> = {}): Sections {
  const sites = { todo: { content: TODO }, second: { content: SECOND }, default: 'absent' };
  const conf = { tuning: { content: 'server_tokens off;\n' } };
  return { nginx: { sites, conf, purge: true, ...changes } };
}

/** The sites of `nginxSections` with one more or another. */
export function withSite(name: string, content: string): Sections {
  const sites = { todo: { content: TODO }, second: { content: SECOND }, default: 'absent', [name]: { content } };
  return nginxSections({ sites });
}

/** The body of an answer; rejects on any other status than 200, and when the connection breaks. */
export function get(host: Host, target: { readonly port: number; readonly path: string }): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request({ host: host.address, ...target, agent: false, timeout: 5000 }, (answer) => {
      let body = '';
      answer.on('data', (chunk: Buffer) => {
        body += chunk.toString();
      });
      answer.on('error', reject);
      answer.on('end', () => {
        if (answer.statusCode === 200) resolve(body);
        else reject(new Error(`status ${answer.statusCode}`));
      });
    });
    call.on('timeout', () => call.destroy(new Error('no answer within 5 s')));
    call.on('error', reject);
    call.end();
  });
}
