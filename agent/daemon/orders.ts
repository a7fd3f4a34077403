import type { IncomingHttpHeaders } from 'node:http';
import * as v from 'valibot';
import type { PauseState } from '../../desired-state/schema/report.ts';
import { pauseOrderSchema } from './pause.ts';

/** What a controller wants of the host beside that it takes a manifest; told in headers of the answer. */
export interface Orders {
  /** `none`: it has ordered no pause. Absent where the controller knows nothing of pauses. */
  readonly pause?: PauseState | 'none';
  /** The manifest in the answer is only to be looked at; the answer goes to `POST …/previews/ID`. */
  readonly preview?: string;
}

/** What this agent understands, for the header `holdfast-accepts`. */
export const ACCEPTS = 'preview, pause';
/** And this, with a request that may be held: see `bell.ts`. */
export const BELL = 'bell';

const PREVIEW_ID = /^[\w-]{1,64}$/;

export function ordersOf(headers: IncomingHttpHeaders): Orders {
  const { 'holdfast-pause': pause, 'holdfast-preview': preview } = headers;
  const order = typeof pause === 'string' ? pauseOf(pause) : undefined;
  return {
    ...(order === undefined ? {} : { pause: order }),
    ...(typeof preview === 'string' && PREVIEW_ID.test(preview) ? { preview } : {}),
  };
}

/** JSON with everything but plain ASCII percent-encoded. What cannot be understood counts as nothing said. */
function pauseOf(text: string): Orders['pause'] {
  if (text === 'none') return 'none';
  try {
    return v.parse(pauseOrderSchema, JSON.parse(decodeURIComponent(text)));
  } catch {
    return undefined;
  }
}
