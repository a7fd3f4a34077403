import type { ClientRequest, IncomingMessage } from 'node:http';
import type { ForgeProject } from './forge.ts';

/** What a forge shows beside a commit. */
export interface CommitStatus {
  readonly revision: string;
  readonly state: 'pending' | 'success' | 'failure';
  /** One line. */
  readonly description: string;
}

/** A request that sets it; the same for all forges but for names. */
export interface StatusRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const CONTEXT = 'holdfast';
/** GitHub takes 140 characters, GitLab and Gitea 255. */
const MOST_CHARACTERS = 140;
const BOUND_MS = 10_000;
const MOST_ANSWER_BYTES = 4096;

/** GitHub: `POST /repos/:path/statuses/:sha`; GitLab: `POST /projects/:id/statuses/:sha`; Gitea as GitHub. Pure. */
export function statusRequest({ kind, api, path }: ForgeProject, token: string, status: CommitStatus): StatusRequest {
  const { revision, state } = status;
  const description = short(status.description);
  const json = { 'content-type': 'application/json', accept: 'application/json', 'user-agent': CONTEXT };
  switch (kind) {
    case 'github':
      return {
        url: `${api}/repos/${path}/statuses/${revision}`,
        headers: {
          ...json,
          accept: 'application/vnd.github+json',
          authorization: `Bearer ${token}`,
          'x-github-api-version': '2022-11-28',
        },
        body: JSON.stringify({ state, context: CONTEXT, description }),
      };
    case 'gitlab':
      return {
        url: `${api}/projects/${encodeURIComponent(path)}/statuses/${revision}`,
        headers: { ...json, 'private-token': token },
        body: JSON.stringify({ state: GITLAB_STATES[state], name: CONTEXT, description }),
      };
    case 'gitea':
      return {
        url: `${api}/repos/${path}/statuses/${revision}`,
        headers: { ...json, authorization: `token ${token}` },
        body: JSON.stringify({ state, context: CONTEXT, description }),
      };
  }
}

const GITLAB_STATES = { pending: 'running', success: 'success', failure: 'failed' } as const;

function short(text: string): string {
  const line = text.split('\n', 1)[0] ?? '';
  return line.length <= MOST_CHARACTERS ? line : `${line.slice(0, MOST_CHARACTERS - 1)}…`;
}

/** Rejects with what the forge says, never with the token. */
export async function sendStatus(wanted: StatusRequest): Promise<void> {
  const { request } = wanted.url.startsWith('https:') ? await import('node:https') : await import('node:http');
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const headers = { ...wanted.headers, 'content-length': Buffer.byteLength(wanted.body) };
  const signal = AbortSignal.timeout(BOUND_MS);
  const outgoing: ClientRequest = request(wanted.url, { method: 'POST', headers, signal }, (incoming) => {
    answered(incoming).then(resolve, reject);
  });
  outgoing.on('error', (error) => {
    reject(signal.aborted ? new Error(`the forge did not answer within ${BOUND_MS / 1000} s`) : error);
  });
  outgoing.end(wanted.body);
  return promise;
}

async function answered(incoming: IncomingMessage): Promise<void> {
  let text = '';
  for await (const chunk of incoming.setEncoding('utf8')) if (text.length < MOST_ANSWER_BYTES) text += String(chunk);
  const status = incoming.statusCode ?? 0;
  if (status < 200 || status > 299) throw new Error(`the forge answered ${status}: ${text.slice(0, 200)}`);
}
