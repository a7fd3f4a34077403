const TIMEOUT_MS = 10_000;

/** A request that the server did not carry out. `retryable`: it may well work later, unchanged. */
export class RequestFailed extends Error {
  constructor(message, { status = 0, retryable = false } = {}) {
    super(message);
    this.status = status;
    this.retryable = retryable;
  }
}

/** Client of the REST API at `base` ("/api/todos/"). Every method rejects with RequestFailed. */
export class Api {
  #base;

  constructor(base) {
    this.#base = base;
  }

  list() {
    return this.#request('GET', '');
  }

  create(title) {
    return this.#request('POST', '', { title });
  }

  update(id, fields) {
    return this.#request('PATCH', `${id}/`, fields);
  }

  remove(id) {
    return this.#request('DELETE', `${id}/`);
  }

  toggleAll(completed) {
    return this.#request('POST', 'toggle-all/', { completed });
  }

  clearCompleted() {
    return this.#request('POST', 'clear-completed/', {});
  }

  async #request(method, path, body) {
    let response;
    try {
      response = await fetch(this.#base + path, {
        method,
        headers: { Accept: 'application/json', 'Content-Type': 'application/json', 'X-CSRFToken': csrfToken() },
        body: body && JSON.stringify(body),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      if (response.ok) return response.status === 204 ? undefined : await response.json();
    } catch {
      throw new RequestFailed('The server cannot be reached.', { retryable: true });
    }
    throw await failureOf(response);
  }
}

function csrfToken() {
  return document.cookie.match(/(?:^|;\s*)csrftoken=([^;]*)/)?.[1] ?? '';
}

async function failureOf(response) {
  const { status } = response;
  if (status >= 500 || status === 429) {
    return new RequestFailed(`The server is not available at the moment (${status}).`, { status, retryable: true });
  }
  if (status === 403) return new RequestFailed('The page is out of date. Reload it and try again.', { status });
  const body = await response.json().catch(() => ({}));
  const reasons = Object.values(body)
    .flat()
    .filter((reason) => typeof reason === 'string');
  return new RequestFailed(reasons.join(' ') || `The server refused this (${status}).`, { status });
}
