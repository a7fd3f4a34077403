import * as v from 'valibot';

/**
 * What a host would change if it were given a manifest: the body of `POST /v1/hosts/:host/previews/:id`, an agent's answer
 * to a manifest that it was only asked to look at. Secrets are masked before it is built.
 */

export const PREVIEW_LIMITS = { body_bytes: 1_048_576, changes: 1000, text_characters: 16_384 } as const;

const text = v.pipe(v.string(), v.maxLength(PREVIEW_LIMITS.text_characters + 64));

const changeSchema = v.object({
  kind: v.string(),
  name: v.string(),
  summary: text,
  diff: v.optional(text),
  hazard: v.picklist(['none', 'reload', 'restart', 'destructive']),
});

export const previewSchema = v.object({
  host: v.string(),
  revision: v.string(),
  changes: v.pipe(v.array(changeSchema), v.maxLength(PREVIEW_LIMITS.changes)),
  /** What could not be looked at, and why; also that the manifest is refused as a whole. */
  problems: v.array(text),
  /** How many changes there are beyond those that are listed. */
  more: v.number(),
});

export type Preview = v.InferOutput<typeof previewSchema>;
