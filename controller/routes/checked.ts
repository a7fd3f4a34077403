import * as v from 'valibot';
import { explain } from '../../desired-state/schema/explain.ts';
import { Problem } from '../problem.ts';

/** What a client has sent, by its schema. Throws a `Problem` that says what was expected. */
export function checked<S extends v.GenericSchema>(schema: S, value: unknown): v.InferOutput<S> {
  const parsed = v.safeParse(schema, value ?? {});
  if (parsed.success) return parsed.output;
  const errors = explain(schema, value ?? {}).map(({ path, message }) => ({ path: path.join('.'), message }));
  const [first] = errors;
  const at = first === undefined || first.path === '' ? '' : `${first.path}: `;
  const detail = first === undefined ? parsed.issues[0].message : `${at}${first.message}`;
  throw new Problem({ status: 422, title: 'Malformed request', detail, extra: { errors } });
}
