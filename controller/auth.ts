import { createHash, timingSafeEqual } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import type { FastifyRequest } from 'fastify';
import { Problem } from './problem.ts';

/** Shorter ones can be guessed. */
const MIN_TOKEN_CHARACTERS = 16;

/** Reads the token that agents and operators present. Throws with what is wrong with the file, never its text. */
export async function readToken(path: string): Promise<string> {
  const stats = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new Error(`token file ${path}: ${error.code === 'ENOENT' ? 'there is none' : error.message}`);
  });
  if ((stats.mode & 0o077) !== 0) throw new Error(`token file ${path}: others may read it; run: chmod 600 ${path}`);
  const token = (await readFile(path, 'utf8')).trim();
  if (token.length < MIN_TOKEN_CHARACTERS || !/^[\x21-\x7e]+$/.test(token)) {
    throw new Error(
      `token file ${path}: expected at least ${MIN_TOKEN_CHARACTERS} characters on one line; make one: openssl rand -hex 32`,
    );
  }
  return token;
}

/** Refuses requests without the bearer token. Compares digests, so that the time taken tells nothing. */
export function requireToken(token: string): (request: FastifyRequest) => Promise<void> {
  const wanted = digest(token);
  return async (request) => {
    const given = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (given !== undefined && timingSafeEqual(digest(given), wanted)) return;
    throw new Problem({
      status: 401,
      title: 'Unauthorized',
      detail:
        given === undefined ? 'send "Authorization: Bearer <token>"' : 'the token is not the one of this controller',
      headers: { 'www-authenticate': 'Bearer realm="holdfast"' },
    });
  };
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
