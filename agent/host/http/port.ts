/** A request to a daemon of this host, over a unix socket or the loopback interface. */
export interface LocalRequest {
  readonly socketPath?: string;
  /** Default 127.0.0.1; only loopback addresses are accepted. */
  readonly address?: string;
  readonly port?: number;
  readonly tls?: { readonly serverName: string; readonly verify: boolean };
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Bound on the whole exchange. Default 5 000. */
  readonly timeout_ms?: number;
  readonly maxBody_bytes?: number;
}

export interface LocalResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: string;
}

export interface LocalHttp {
  /** `undefined` where nothing listens (ENOENT, ECONNREFUSED); rejects on a timeout or a broken answer. */
  request(request: LocalRequest): Promise<LocalResponse | undefined>;
}
