import type { Preview } from '../../desired-state/schema/preview.ts';
import type { PauseState, Report } from '../../desired-state/schema/report.ts';
import { ENROLL } from '../enroll/identity.ts';
import { BellNotTaken, waitAtBell } from './bell.ts';
import type { AgentConfig } from './config.ts';
import { Credentials } from './credentials.ts';
import { type Answer, type Exchange, exchange as exchangeWith, reasonIn, reasonOf } from './exchange.ts';
import { ACCEPTS, BELL, ordersOf } from './orders.ts';

/** The controller did not answer, or not with what was asked for. `retryAfter_ms` is what it asked for itself. */
export class ControllerError extends Error {
  override readonly name = 'ControllerError';
  readonly retryAfter_ms: number;
  /** 0 where there was no answer. */
  readonly status: number;

  constructor(
    message: string,
    options: { readonly retryAfter_ms?: number; readonly status?: number; readonly cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.status = options.status ?? 0;
    this.retryAfter_ms = options.retryAfter_ms ?? 0;
  }
}

/**
 * `text` is absent where the manifest still is the one of the ETag that was sent; the revision may be another all the
 * same: a commit that says nothing new about this host.
 */
export interface ManifestAnswer {
  readonly text: string | undefined;
  readonly etag: string | undefined;
  /** The revision that is served; absent where the controller does not say. */
  readonly revision: string | undefined;
  /** A newer revision that the controller does not serve, and why; absent where it serves what is wanted. */
  readonly withheld?: Withheld;
  /** What the controller orders; absent where it does not speak of pauses. */
  readonly pause?: PauseState | 'none';
  /** A manifest that is only to be looked at, instead of an answer to what was asked. */
  readonly preview?: { readonly id: string; readonly text: string };
}

export interface Withheld {
  readonly revision: string;
  readonly reason: string;
  /** How the rollout is that brings it (`running`, `frozen`, `paused`, `aborted`), or `refused`. */
  readonly state?: string;
}

export interface ManifestQuestion {
  readonly etag: string | undefined;
  readonly wait_ms: number;
  /** `since_ms` of the pause that it was last told of, or `none`. */
  readonly pauseKnown: string;
  readonly signal: AbortSignal;
}

export interface ControllerClient {
  /**
   * While the manifest still is the one of `etag`, the controller holds the request for up to `wait_ms`, or has it wait at a
   * bell for as long as it likes. Rejects with `ControllerError`.
   */
  manifest(asked: ManifestQuestion): Promise<ManifestAnswer>;
  report(report: Report): Promise<void>;
  /** The answer to a preview. */
  preview(id: string, preview: Preview): Promise<void>;
}

/** A controller that knows the offer spends less memory on the connection while it holds the request; no other needs to. */
const HELD = { connection: 'keep-alive, upgrade', upgrade: 'holdfast-held' } as const;
/** Where a bell could not be waited at, requests are held for so long. */
const NO_BELL_MS = 600_000;
const CONNECT_AND_ANSWER_MS = 15_000;
/** A controller that has manifests to send to thousands of hosts lets reports wait for some seconds. */
const REPORT_TAKEN_MS = 30_000;
const MAX_MANIFEST_BYTES = 64 * 1024 * 1024;
const MAX_ANSWER_BYTES = 65_536;

/** Speaks to one controller as the host that this machine is enrolled as. */
export function createControllerClient(
  config: AgentConfig & { readonly controller: URL },
  agentVersion: string,
  credentials: Credentials = new Credentials(config.stateDirectory),
  onProblem: (message: string) => void = () => undefined,
): ControllerClient {
  const { controller } = config;
  const hostPath = `/v1/hosts/${encodeURIComponent(config.host)}`;
  const userAgent = `holdfast-agent/${agentVersion}`;
  const exchange = (asked: Exchange): Promise<Answer> => send({ config, userAgent, credentials, asked });
  let noBellUntil_ms = 0;
  let lastProblem: string | undefined;
  const post = async (path: string, body: object): Promise<void> => {
    const answer = await exchange({
      method: 'POST',
      path: `${hostPath}/${path}`,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      timeout_ms: REPORT_TAKEN_MS,
      max_bytes: MAX_ANSWER_BYTES,
    });
    if (answer.status < 200 || answer.status > 299) throw refusal(config, answer);
  };
  const ask = ({ etag, wait_ms, pauseKnown, signal }: ManifestQuestion, takesBell: boolean): Promise<Answer> =>
    exchange({
      method: 'GET',
      path: `${hostPath}/manifest${wait_ms > 0 ? `?wait=${Math.round(wait_ms / 1000)}` : ''}`,
      headers: {
        accept: 'application/json',
        'accept-encoding': 'gzip',
        'holdfast-accepts': takesBell ? `${ACCEPTS}, ${BELL}` : ACCEPTS,
        'holdfast-pause-known': pauseKnown,
        ...(etag === undefined ? {} : { 'if-none-match': etag }),
        ...(wait_ms > 0 ? HELD : {}),
      },
      timeout_ms: wait_ms + CONNECT_AND_ANSWER_MS,
      max_bytes: MAX_MANIFEST_BYTES,
      signal,
    });
  /** Resolves when it has rung, or with why it cannot be waited at. */
  const problemAtBell = async (token: string, signal: AbortSignal): Promise<string | undefined> => {
    credentials.keepConnections(false);
    try {
      await waitAtBell({ controller, token, signal });
      return undefined;
    } catch (error) {
      if (error instanceof BellNotTaken) return error.message;
      throw new ControllerError(`${controller.origin}: ${reasonOf(error)}`, { cause: error });
    } finally {
      credentials.keepConnections(true);
    }
  };
  /** Waits by a held request or at a bell, as the controller has it. */
  const askAndWait = async (asked: ManifestQuestion): Promise<Answer> => {
    const takesBell = controller.protocol === 'https:' && asked.wait_ms > 0 && performance.now() >= noBellUntil_ms;
    const answer = await ask(asked, takesBell);
    const token = takesBell && answer.status === 304 ? header(answer, 'holdfast-bell') : undefined;
    if (token === undefined) return answer;
    const problem = await problemAtBell(token, asked.signal);
    const isNew = problem !== lastProblem;
    lastProblem = problem;
    if (problem === undefined) return ask({ ...asked, wait_ms: 0 }, false);
    const held = await ask(asked, false);
    // The controller is there, so it is the way to its bells that is not.
    noBellUntil_ms = performance.now() + NO_BELL_MS;
    if (isNew) onProblem(`${controller.origin}: ${problem}; requests are held instead`);
    return held;
  };
  return {
    async manifest(asked) {
      const { etag } = asked;
      const answer = await askAndWait(asked);
      const { preview, ...orders } = ordersOf(answer.headers);
      const told = { revision: header(answer, 'holdfast-revision'), ...withheldOf(answer), ...orders };
      if (answer.status === 200 && preview !== undefined) {
        return { text: undefined, etag, ...told, preview: { id: preview, text: answer.body } };
      }
      if (answer.status === 304) return { text: undefined, etag, ...told };
      if (answer.status === 200) return { text: answer.body, etag: answer.headers.etag, ...told };
      throw refusal(config, answer);
    },
    report: (report) => post('reports', report),
    preview: (id, preview) => post(`previews/${id}`, preview),
  };
}

function header({ headers }: Answer, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : undefined;
}

function withheldOf(answer: Answer): { withheld?: Withheld } {
  const revision = header(answer, 'holdfast-wanted-revision');
  if (revision === undefined) return {};
  const state = header(answer, 'holdfast-rollout-state');
  const reason = header(answer, 'holdfast-why-different') ?? 'the controller does not say why';
  return { withheld: { revision, reason, ...(state === undefined ? {} : { state }) } };
}

async function send(options: {
  readonly config: AgentConfig & { readonly controller: URL };
  readonly userAgent: string;
  readonly credentials: Credentials;
  readonly asked: Exchange;
}): Promise<Answer> {
  const { config, userAgent, credentials, asked } = options;
  const { controller } = config;
  try {
    const { identity, secureContext, pool, machine } = credentials.current();
    if (identity.host !== config.host) {
      throw new Error(
        `this host is enrolled as ${identity.host}, and its configuration says ${config.host}: ${ENROLL}`,
      );
    }
    const headers = { ...asked.headers, 'holdfast-machine': machine };
    return await exchangeWith({ controller, userAgent, tls: { secureContext }, pool }, { ...asked, headers });
  } catch (error) {
    throw new ControllerError(`${controller.origin}: ${advice(error)}`, { cause: error });
  }
}

/** What goes wrong before there is an answer, with what to do where that is known. */
function advice(error: unknown): string {
  const reason = reasonOf(error);
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (/^(?:SELF_SIGNED_CERT|UNABLE_TO|CERT_SIGNATURE|DEPTH_ZERO)/.test(code)) {
    return `its certificate is not of the authority that this host was enrolled with (${reason}): is this another controller, or was it set up anew? Then: ${ENROLL}`;
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return `${reason}: start the controller with --name for this name`;
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID')
    return `${reason}: is the clock right, here and there?`;
  return reason;
}

function refusal({ controller }: AgentConfig, answer: Answer): ControllerError {
  const { status, headers } = answer;
  const seconds = Number(headers['retry-after']);
  const retryAfter_ms = Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : 0;
  const { text } = reasonIn(answer);
  const hint = status === 404 && text === '' ? ' (it does not know this host: is there a file hosts/NAME.yaml?)' : '';
  return new ControllerError(`${controller?.origin} answered ${status}${hint}${text === '' ? '' : `: ${text}`}`, {
    retryAfter_ms,
    status,
  });
}
