import { RELOAD_NGINX } from '../../conformance/nginx-site.ts';
import type { Case } from '../case.ts';

const FOLDER = '/etc/ssl/holdfast';
/** Another pair, as somebody would make it; the certificate's options and names are the script's. */
const make = (options: string, name: string): string => `cd ${FOLDER}
openssl req -x509 -newkey rsa:2048 -nodes ${options} -subj /CN=${name} -addext "subjectAltName=DNS:${name},IP:$ADDRESS" \\
  -keyout todo.key -out todo.crt 2>/dev/null
chmod 0600 todo.key`;
const IS_RIGHT = `cd ${FOLDER}
openssl x509 -in todo.crt -noout -checkend 2592000 >/dev/null
openssl verify -CAfile todo.crt -verify_hostname todo.local -verify_ip "$ADDRESS" todo.crt >/dev/null
test "$(openssl x509 -in todo.crt -noout -pubkey)" = "$(openssl pkey -in todo.key -pubout)"
test "$(stat -c '%a %U' todo.key)" = '600 root'
SERVED=$(openssl s_client -connect "$ADDRESS:443" </dev/null 2>/dev/null | openssl x509 -noout -fingerprint)
test "$SERVED" = "$(openssl x509 -in todo.crt -noout -fingerprint)"`;
const STALE = { resource: 'nginx/nginx', says: /\breload\b/ };

function certificate(name: string, by: string, says: RegExp, also = [STALE]): Case {
  return {
    name,
    on: 'web',
    by,
    resource: 'certificates/todo',
    says,
    also,
    healed: IS_RIGHT,
    touches: ['certificates/todo', 'nginx runs'],
  };
}

export const certificates: readonly Case[] = [
  certificate(
    'the certificate is exchanged for one of another name, and nginx serves it',
    `${make('-days 397', 'evil.example')}\n${RELOAD_NGINX}`,
    /^make a self-signed certificate for todo\.local, .* \(it is not for todo\.local\)$/,
  ),
  certificate(
    'the certificate runs out in a week',
    make('-days 7', 'todo.local'),
    /^make a self-signed certificate .* \(it (is valid for 7 days|expires in)/,
  ),
  certificate(
    'the key is another one',
    `openssl genrsa -out ${FOLDER}/todo.key 2048 2>/dev/null`,
    /\(certificate and key do not belong together\)$/,
  ),
  certificate(
    'the key is readable by all',
    `chmod 0644 ${FOLDER}/todo.key`,
    /^set todo\.key to mode 0600 \(is 0644\)$/,
  ),
  certificate(
    'certificate and key are removed',
    `rm ${FOLDER}/todo.crt ${FOLDER}/todo.key`,
    /\(there is none yet\)$/,
    [],
  ),
];
