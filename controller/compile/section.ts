import type * as v from 'valibot';
import { alternatives, childSchemas, hasMark, knownKeys, mayHold } from '../../desired-state/schema/walk.ts';
import { addressesOf, type Context, lazyMap } from './context.ts';
import { TARGETS, type Target, targetOf } from './escape.ts';
import type { Issues, Place } from './issue.ts';
import { type Located, type LocatedEntry, type LocatedMap, type LocatedScalar, textAt } from './located.ts';
import { BROKEN, Pending } from './lookup.ts';
import { hint } from './names.ts';
import type { TemplateSource, Templates } from './template.ts';
import { readText, type Tree } from './tree.ts';

/** What turns the parsed YAML of one host into plain values: templates rendered, secrets and addresses put in. */
export interface Workshop {
  readonly host: string;
  /** The section that is being worked on. */
  readonly kind: string;
  readonly context: Context;
  readonly templates: Templates;
  readonly tree: Tree;
  readonly display: (path: string) => string;
  readonly issues: Issues;
  readonly pending: Set<string>;
}

type Schemas = readonly v.GenericSchema[];

/** The keys that stand for the text of a file where a schema knows `content`. */
const CONTENT_KEYS = ['content', 'template', 'source'] as const;

/**
 * The plain value of a part, for the eyes of its schema; `BROKEN` where something was wrong or is pending, which has been
 * told by then. `schemas` are those that may judge the value: they say where addresses, contents and numbers go.
 */
export function evaluate(node: Located, schemas: Schemas, work: Workshop): unknown {
  if (node.type === 'secret') return secretValue(node.name, node.place, work);
  if (node.type === 'scalar') return scalarValue(node, schemas, work);
  if (node.type === 'list') return listValue(node.items, schemas, work);
  return mapValue(node, schemas, work);
}

const forAll = new WeakMap<Located, boolean>();

/** Whether its value is the same for every host that has it: nothing in it names the host, another one, or a secret. */
export function isForAll(node: Located): boolean {
  const known = forAll.get(node);
  if (known !== undefined) return known;
  const is = looksForAll(node);
  forAll.set(node, is);
  return is;
}

function looksForAll(node: Located): boolean {
  switch (node.type) {
    case 'secret':
      return false;
    case 'scalar':
      return !(typeof node.value === 'string' && (node.value.includes('{{') || isRoleReference(node.value)));
    case 'list':
      return node.items.every(isForAll);
    case 'map':
      return !node.entries.has('template') && [...node.entries.values()].every(({ value }) => isForAll(value));
  }
}

function listValue(items: readonly Located[], schemas: Schemas, work: Workshop): unknown {
  const inner = schemas.flatMap((schema) => childSchemas(schema, 0));
  const marked = schemas.some((schema) => hasMark(schema, 'addresses'));
  const values = items.flatMap((item): unknown[] => {
    const value = evaluate(item, marked ? [...schemas, ...inner] : inner, work);
    const spread = Array.isArray(value) && item.type === 'scalar' && isRoleReference(item.value);
    return spread ? value : [value];
  });
  return values.includes(BROKEN) ? BROKEN : values;
}

function mapValue(node: LocatedMap, schemas: Schemas, work: Workshop): unknown {
  const { takesContent, entries } = outlineOf(node, schemas);
  const values = entries.map(([key, value, inner]) => [key, evaluate(value, inner, work)] as const);
  const content = takesContent ? contentOf(node, work) : undefined;
  if (content === BROKEN || values.some(([, value]) => value === BROKEN)) return BROKEN;
  return Object.fromEntries(content === undefined ? values : [...values, ['content', content]]);
}

/** What is the same of a map for all hosts that have it. */
interface Outline {
  readonly schemas: Schemas;
  /** Whether the content may come from elsewhere in the tree; the keys that say from where are not among the entries. */
  readonly takesContent: boolean;
  readonly entries: readonly (readonly [key: string, value: Located, schemas: Schemas])[];
}

const outlines = new WeakMap<LocatedMap, Outline>();

function outlineOf(node: LocatedMap, schemas: Schemas): Outline {
  const known = outlines.get(node);
  if (known?.schemas.length === schemas.length && known.schemas.every((one, index) => one === schemas[index])) {
    return known;
  }
  const takesContent = isContentHolder(node, schemas);
  const entries = [...(takesContent ? withoutContentKeys(node) : node.entries)].map(
    ([key, { value }]) => [key, value, schemas.flatMap((schema) => childSchemas(schema, key))] as const,
  );
  const outline = { schemas, takesContent, entries };
  outlines.set(node, outline);
  return outline;
}

function scalarValue(node: LocatedScalar, schemas: Schemas, work: Workshop): unknown {
  const { value, place } = node;
  if (typeof value === 'number' && node.decimal === true && schemas.some((schema) => hasMark(schema, 'octal'))) {
    work.issues.add(
      place,
      `write the mode in quotes, "${String(value).padStart(4, '0')}": a bare number is decimal in YAML`,
      work.host,
    );
    return BROKEN;
  }
  if (typeof value !== 'string') return value;
  if (isRoleReference(value) && schemas.some((schema) => hasMark(schema, 'addresses'))) {
    return roleAddresses(value.slice('hosts.'.length), place, work);
  }
  return value.includes('{{') ? renderText(node, value, schemas, work) : value;
}

function isRoleReference(value: unknown): value is string {
  return typeof value === 'string' && /^hosts\.[\w-]+$/.test(value);
}

function roleAddresses(role: string, place: Place, work: Workshop): unknown {
  const { hosts } = work.context;
  const addresses = addressesOf(hosts, role);
  if (addresses === undefined) {
    work.issues.add(place, `unknown role "${role}"${hint(role, hosts.names())}`, work.host);
    return BROKEN;
  }
  if (!(addresses instanceof Pending)) return addresses;
  work.pending.add(addresses.reason);
  return BROKEN;
}

function secretValue(name: string, place: Place, work: Workshop): unknown {
  const { secret } = work.context;
  const value = secret.get(name);
  if (value !== undefined) return value;
  work.issues.add(place, `unknown secret "${name}"${hint(name, secret.names())}`, work.host);
  return BROKEN;
}

function renderText(node: LocatedScalar, text: string, schemas: Schemas, work: Workshop): unknown {
  const source: TemplateSource = { name: '', text };
  const sole = work.templates.soleValue(source, [work.context]);
  if (sole !== undefined && keepsType(sole.value, schemas)) return sole.value;
  const rendered = work.templates.render(source, {
    scopes: [work.context],
    target: 'text',
    partial: (name) => partial(name, work),
    pending: (reason) => work.pending.add(reason),
    problem: ({ source: at, offset, message }) => {
      const place = at === source ? tagPlaceIn(node, text, offset) : placeInTemplate(at, offset, work);
      work.issues.add(place, message, work.host);
    },
  });
  return rendered ?? BROKEN;
}

/** A lone `{{vars.port}}` stays a number where the schema takes no text there; without a schema it always keeps its type. */
function keepsType(value: unknown, schemas: Schemas): boolean {
  if (value === null || value === BROKEN || value instanceof Pending || typeof value === 'string') return false;
  if (typeof value === 'object' && !Array.isArray(value)) return false;
  const all = schemas.flatMap(alternatives);
  return all.length === 0 || (!all.some((one) => mayHold(one, '')) && all.some((one) => mayHold(one, value)));
}

function tagPlaceIn(node: LocatedScalar, text: string, offset: number): Place {
  const before = text.slice(0, offset).split('{{').length - 1;
  return node.tagPlace?.(before) ?? node.place;
}

/** Whether the map is an entry whose file content may come from elsewhere in the tree. */
function isContentHolder(node: LocatedMap, schemas: Schemas): boolean {
  const keys = schemas.flatMap(knownKeys);
  return keys.includes('content') && (node.entries.has('template') || node.entries.has('source'));
}

function withoutContentKeys(node: LocatedMap): ReadonlyMap<string, LocatedEntry> {
  const dropped = new Set(['template', 'source', 'vars', 'escape', 'content']);
  return new Map([...node.entries].filter(([key]) => !dropped.has(key)));
}

function contentOf(node: LocatedMap, work: Workshop): unknown {
  const given = CONTENT_KEYS.filter((key) => node.entries.has(key));
  const [first, second] = given;
  const broken = (place: Place, message: string): typeof BROKEN => {
    work.issues.add(place, message, work.host);
    return BROKEN;
  };
  if (first !== undefined && second !== undefined) {
    const place = node.entries.get(second)?.keyPlace ?? node.place;
    return broken(
      place,
      `"${first}" and "${second}" exclude each other; remove one, in an upper layer with "${first}: null"`,
    );
  }
  const key = first ?? 'template';
  for (const extra of ['vars', 'escape']) {
    const entry = node.entries.get(extra);
    if (key === 'source' && entry !== undefined) return broken(entry.keyPlace, `"${extra}" goes with "template" only`);
  }
  const wanted = textAt(node, key);
  if (wanted === undefined)
    return broken(node.entries.get(key)?.value.place ?? node.place, `expected the path of a file`);
  const folder = key === 'template' ? 'templates' : 'files';
  if (!isInside(wanted.text)) {
    return broken(wanted.place, `expected a path inside of ${folder}/, without "..", "." or a leading "/"`);
  }
  const read = readText(work.tree, `${folder}/${wanted.text}`);
  if (read === undefined) {
    return broken(
      wanted.place,
      `there is no ${work.display(`${folder}/${wanted.text}`)}${hint(wanted.text, filesOf(work.tree, folder))}`,
    );
  }
  if ('reason' in read) return broken(wanted.place, `${work.display(`${folder}/${wanted.text}`)}: ${read.reason}`);
  return key === 'source' ? read.text : renderFile(node, { name: read.path, text: read.text }, wanted.text, work);
}

function renderFile(node: LocatedMap, source: TemplateSource, name: string, work: Workshop): unknown {
  const target = targetFor(node, name, work);
  const vars = entryVars(node, work);
  if (target === undefined || vars === BROKEN) return BROKEN;
  const rendered = work.templates.render(source, {
    scopes: [{ ...work.context, vars }],
    target,
    partial: (one) => partial(one, work),
    pending: (reason) => work.pending.add(reason),
    problem: ({ source: at, offset, message }) =>
      work.issues.add(
        placeInTemplate(at, offset, work),
        `${message} (rendered for ${node.place.file}:${node.place.line})`,
        work.host,
      ),
  });
  return rendered ?? BROKEN;
}

function targetFor(node: LocatedMap, name: string, work: Workshop): Target | undefined {
  const entry = node.entries.get('escape');
  if (entry === undefined) return targetOf(name, work.kind);
  const text = textAt(node, 'escape')?.text ?? '';
  const target = TARGETS.find((one) => one === text);
  if (target === undefined) {
    work.issues.add(
      entry.value.place,
      `expected one of ${TARGETS.join(', ')}${text === '' ? '' : hint(text, TARGETS)}`,
      work.host,
    );
  }
  return target;
}

/** The variables of the entry over those of the host. */
function entryVars(node: LocatedMap, work: Workshop): unknown {
  const own = node.entries.get('vars')?.value;
  const { vars } = work.context;
  if (own === undefined) return vars;
  if (own.type !== 'map') {
    work.issues.add(own.place, 'expected a map', work.host);
    return BROKEN;
  }
  const names = lazyMap(
    own,
    (value) => evaluate(value, [], work),
    () => undefined,
  );
  return {
    names: () => [...names.names(), ...vars.names()],
    get: (name: string) => (own.entries.has(name) ? names.get(name) : vars.get(name)),
  };
}

function partial(name: string, work: Workshop): TemplateSource | undefined {
  if (!isInside(name)) return undefined;
  const read = readText(work.tree, `templates/${name}`);
  return read === undefined || 'reason' in read ? undefined : { name: read.path, text: read.text };
}

function placeInTemplate(source: TemplateSource, offset: number, work: Workshop): Place {
  const before = source.text.slice(0, offset);
  const line = before.split('\n').length;
  return { file: work.display(source.name), line, column: offset - before.lastIndexOf('\n') };
}

function isInside(path: string): boolean {
  return path !== '' && !path.split('/').some((part) => part === '' || part === '.' || part === '..');
}

function filesOf(tree: Tree, folder: string): readonly string[] {
  return [...tree.keys()].filter((path) => path.startsWith(`${folder}/`)).map((path) => path.slice(folder.length + 1));
}
