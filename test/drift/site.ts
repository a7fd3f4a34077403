/** The site as its visitors see it: https, with the certificate that the host made for itself. */
import { request } from 'node:https';

const TIMEOUT_MS = 20_000;

export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly cookies: readonly string[];
}

export interface Todo {
  readonly title: string;
  readonly completed: boolean;
}

export function ask(
  address: string,
  path: string,
  options: { readonly method?: string; readonly body?: unknown; readonly headers?: Record<string, string> } = {},
): Promise<Answer> {
  const { method = 'GET', body, headers = {} } = options;
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: address,
        path,
        method,
        // Made by the host itself: nobody else vouches for it.
        rejectUnauthorized: false,
        agent: false,
        timeout: TIMEOUT_MS,
        headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            body: Buffer.concat(chunks).toString(),
            cookies: (response.headers['set-cookie'] ?? []).map((cookie) => cookie.split(';')[0] ?? ''),
          }),
        );
      },
    );
    sent.on('timeout', () => sent.destroy(new Error(`https://${address}${path} did not answer in ${TIMEOUT_MS} ms`)));
    sent.on('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** Adds a todo as the page does. */
export async function addTodo(address: string, title: string): Promise<void> {
  const page = await ask(address, '/');
  const token = page.cookies.find((cookie) => cookie.startsWith('csrftoken='))?.slice('csrftoken='.length) ?? '';
  const headers = { cookie: `csrftoken=${token}`, 'x-csrftoken': token, referer: `https://${address}/` };
  const answer = await ask(address, '/api/todos/', { method: 'POST', body: { title }, headers });
  if (answer.status !== 201) throw new Error(`the todo was not taken: ${answer.status} ${answer.body}`);
}

export async function todosOf(address: string): Promise<readonly Todo[]> {
  const answer = await ask(address, '/api/todos/');
  if (answer.status !== 200) throw new Error(`the site answers ${answer.status}: ${answer.body.slice(0, 500)}`);
  const todos: readonly Todo[] = JSON.parse(answer.body);
  return todos;
}
