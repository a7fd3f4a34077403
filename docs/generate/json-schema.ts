import { type ConversionConfig, type JsonSchema, toJsonSchema } from '@valibot/to-json-schema';
import * as v from 'valibot';
import { agentSection } from '../../desired-state/schema/agent-settings.ts';
import { documentSchemas, type LayerType } from '../../desired-state/schema/document.ts';
import { type Kind, kinds } from '../../desired-state/schema/kinds.ts';
import { rolloutSection } from '../../desired-state/schema/rollout.ts';
import { secretText } from '../../desired-state/schema/values.ts';
import { childSchemas, isSchema } from '../../desired-state/schema/walk.ts';

export type Json = JsonSchema;

/**
 * What a user may write, as JSON Schema. Checks that JSON Schema cannot express are left out: the compiler makes them.
 */
function inputSchema(schema: v.GenericSchema): Json {
  const { $schema: _, ...rest } = toJsonSchema(schema, CONVERSION);
  return rest;
}

const CONVERSION: ConversionConfig = {
  typeMode: 'input',
  errorMode: 'ignore',
  overrideSchema({ valibotSchema, jsonSchema }) {
    if (isText(valibotSchema)) return { ...jsonSchema, type: 'string' };
    return withDescriptions(valibotSchema, jsonSchema);
  },
};

/** The conversion of an input ends at the first transformation, and does not see a description behind it. */
function withDescriptions(schema: v.GenericSchema, json: Json): Json | undefined {
  if (!('entries' in schema) || json.properties === undefined) return undefined;
  const entries = Object.entries(json.properties).map(([key, inner]) => {
    const description = childSchemas(schema, key)
      .map(descriptionOf)
      .find((text) => text !== undefined);
    const lacks = typeof inner === 'object' && inner.description === undefined && description !== undefined;
    return [key, lacks ? { ...inner, description } : inner] as const;
  });
  return { ...json, properties: Object.fromEntries(entries) };
}

function descriptionOf(schema: v.GenericSchema): string | undefined {
  const own = v.getDescription(schema);
  return own ?? ('wrapped' in schema && isSchema(schema.wrapped) ? descriptionOf(schema.wrapped) : undefined);
}

function isText(schema: v.GenericSchema): boolean {
  return schema.type === 'custom' && (schema === secretText || schema.reference === secretText.reference);
}

/** The section of a kind, as it stands in a file. */
export function sectionSchema(kind: Kind): Json {
  const [section] = childSchemas(documentSchemas.host, kind);
  if (section === undefined) throw new Error(`no section of ${kind}`);
  return inputSchema(section);
}

/** The section `agent:`. */
export function agentSchema(): Json {
  return inputSchema(agentSection);
}

/** The section `rollout:`. */
export function rolloutSchema(): Json {
  return inputSchema(rolloutSection);
}

/** A whole file, for editors: loosened for what the compiler does before a schema sees it. */
export function editorSchema(type: LayerType): Json {
  const whole = inputSchema(documentSchemas[type]);
  const loose = loosen(whole, 'layer');
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: `Holdfast ${type}`,
    ...loose,
    ...(type === 'host' ? { required: ['environment'] } : {}),
  };
}

/** The sections of a file in the order of the reference. */
export const kindNames = (Object.keys(kinds) as Kind[]).sort();

const TEMPLATE: Json = { type: 'string', pattern: '\\{\\{' };

/**
 * `layer`: another layer may complete or remove what stands here, so nothing is required and everything may be empty.
 * `item`: a list is taken as a whole, so its items are complete. Anywhere, a template may stand for a value.
 */
function loosen(schema: Json, where: 'layer' | 'item'): Json {
  const { required, ...rest } = schema;
  const inside = mapInner(withContentForms(rest), (inner, place) => loosen(inner, place === 'items' ? 'item' : where));
  const kept = where === 'item' && required !== undefined ? { ...inside, required } : inside;
  return where === 'layer' ? orEmpty(orTemplate(kept)) : orTemplate(kept);
}

function orTemplate(schema: Json): Json {
  if (schema.pattern !== undefined) return { ...schema, pattern: `(?:${schema.pattern})|\\{\\{` };
  const closed = schema.enum !== undefined || schema.const !== undefined;
  const scalar = schema.type === 'number' || schema.type === 'integer' || schema.type === 'boolean';
  if (!closed && !scalar && schema.type !== 'array') return schema;
  const { description, default: standard, ...own } = schema;
  return {
    ...(description === undefined ? {} : { description }),
    ...(standard === undefined ? {} : { default: standard }),
    anyOf: [own, TEMPLATE],
  };
}

function orEmpty(schema: Json): Json {
  if (schema.anyOf !== undefined) return { ...schema, anyOf: [...schema.anyOf, { type: 'null' }] };
  return typeof schema.type === 'string' ? { ...schema, type: [schema.type, 'null'] as never } : schema;
}

/** Where a file's text belongs, it may come from a template or from a file of the tree. */
function withContentForms(schema: Json): Json {
  const { properties } = schema;
  if (properties?.['content'] === undefined) return schema;
  return {
    ...schema,
    properties: { ...CONTENT_FORMS, ...properties, vars: CONTENT_FORMS['vars'], escape: CONTENT_FORMS['escape'] },
  };
}

export const CONTENT_FORMS: Record<'template' | 'source' | 'vars' | 'escape', Json> = {
  template: { type: 'string', description: 'A Mustache template below `templates/`, instead of `content`.' },
  source: { type: 'string', description: 'A file below `files/` that is copied as it is, instead of `content`.' },
  vars: { type: 'object', description: 'Variables of this template alone, over those of the host.' },
  escape: {
    enum: ['nginx', 'ini', 'supervisor', 'shell', 'sql', 'yaml', 'json', 'html', 'text'],
    description: 'What the template is written for. Default: by the kind, or by the ending before `.mustache`.',
  },
};

function mapInner(schema: Json, change: (inner: Json, place: 'items' | 'other') => Json): Json {
  const one = (inner: Json | boolean, place: 'items' | 'other'): Json | boolean =>
    typeof inner === 'boolean' ? inner : change(inner, place);
  const { properties, additionalProperties, items, anyOf, oneOf, allOf } = schema;
  return {
    ...schema,
    ...(properties === undefined
      ? {}
      : {
          properties: Object.fromEntries(Object.entries(properties).map(([key, inner]) => [key, one(inner, 'other')])),
        }),
    ...(additionalProperties === undefined ? {} : { additionalProperties: one(additionalProperties, 'other') }),
    ...(items === undefined
      ? {}
      : { items: Array.isArray(items) ? items.map((item) => one(item, 'items')) : one(items, 'items') }),
    ...(anyOf === undefined ? {} : { anyOf: anyOf.map((inner) => one(inner, 'other')) }),
    ...(oneOf === undefined ? {} : { oneOf: oneOf.map((inner) => one(inner, 'other')) }),
    ...(allOf === undefined ? {} : { allOf: allOf.map((inner) => one(inner, 'other')) }),
  };
}
