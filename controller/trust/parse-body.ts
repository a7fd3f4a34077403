import * as v from 'valibot';
import { Problem } from '../problem.ts';

/** Throws the problem that names the first thing that is wrong. */
export function parseBody<S extends v.GenericSchema>(schema: S, body: unknown): v.InferOutput<S> {
  const parsed = v.safeParse(schema, body);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  const path = v.getDotPath(issue);
  const message = issue.received === 'undefined' ? 'is missing' : issue.message;
  throw new Problem({ status: 422, title: 'Malformed request', detail: `${path ?? 'the body'}: ${message}` });
}
