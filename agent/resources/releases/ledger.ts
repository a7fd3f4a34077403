import { dirname } from 'node:path';
import type { FileReader, FileWriter } from '../../host/files/port.ts';
import { fingerprint, type Layout, type Spec } from './layout.ts';
import type { Trees } from './program.ts';

/** A release that took requests, newest first in the history. */
export interface Deployed {
  readonly commit: string;
  readonly trees: Trees;
  readonly switched_ms: number;
}

/** A commit that failed under one declaration; it is not tried again until either changes. */
export interface Quarantined {
  readonly commit: string;
  readonly fingerprint: string;
  readonly reason: string;
  readonly at_ms: number;
}

/** What cannot be read off the host: which releases were good, which were not, and what the ref was last known to be. */
export interface Ledger {
  readonly history: readonly Deployed[];
  readonly quarantine: readonly Quarantined[];
  readonly known?: { readonly source: string; readonly commit: string };
}

export const EMPTY_LEDGER: Ledger = { history: [], quarantine: [] };
const MAX_ENTRIES = 20;
const MAX_REASON_CHARACTERS = 4_000;

/** A ledger that cannot be read is an empty one: it only ever saves work and remembers failures. */
export async function readLedger(files: FileReader, layout: Layout): Promise<Ledger> {
  const text = await files.readText(layout.ledger, { max_bytes: 1_048_576 });
  if (text === undefined) return EMPTY_LEDGER;
  try {
    return parseLedger(JSON.parse(text));
  } catch {
    return EMPTY_LEDGER;
  }
}

function parseLedger(value: unknown): Ledger {
  if (!isObject(value)) return EMPTY_LEDGER;
  const { history, quarantine, known } = value;
  return {
    history: Array.isArray(history) ? history.filter(isDeployed) : [],
    quarantine: Array.isArray(quarantine) ? quarantine.filter(isQuarantined) : [],
    ...(isObject(known) && typeof known['source'] === 'string' && typeof known['commit'] === 'string'
      ? { known: { source: known['source'], commit: known['commit'] } }
      : {}),
  };
}

function isDeployed(value: unknown): value is Deployed {
  return (
    isObject(value) &&
    typeof value['commit'] === 'string' &&
    typeof value['switched_ms'] === 'number' &&
    isObject(value['trees']) &&
    typeof value['trees']['release'] === 'string' &&
    typeof value['trees']['venv'] === 'string'
  );
}

function isQuarantined(value: unknown): value is Quarantined {
  return (
    isObject(value) &&
    typeof value['commit'] === 'string' &&
    typeof value['fingerprint'] === 'string' &&
    typeof value['reason'] === 'string'
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

export async function changeLedger(
  files: FileWriter,
  layout: Layout,
  change: (before: Ledger) => Ledger,
): Promise<void> {
  const after = change(await readLedger(files, layout));
  await makeDirectories(files, dirname(layout.ledger));
  await files.write(layout.ledger, `${JSON.stringify(after, null, 1)}\n`, { uid: 0, gid: 0, mode: 0o600 });
}

/** For root alone. */
export async function makeDirectories(files: FileWriter, path: string): Promise<void> {
  if ((await files.statTarget(path)) !== undefined) return;
  await makeDirectories(files, dirname(path));
  await files.makeDirectory(path, { uid: 0, gid: 0, mode: 0o700 });
}

export function withDeployed(before: Ledger, deployed: Deployed): Ledger {
  const others = before.history.filter((one) => one.commit !== deployed.commit);
  return {
    ...before,
    history: [deployed, ...others].slice(0, MAX_ENTRIES),
    quarantine: before.quarantine.filter((one) => one.commit !== deployed.commit),
  };
}

export function withQuarantined(before: Ledger, spec: Spec, commit: string, reason: string, at_ms: number): Ledger {
  const entry = { commit, fingerprint: fingerprint(spec), reason: reason.slice(-MAX_REASON_CHARACTERS), at_ms };
  const others = before.quarantine.filter((one) => one.commit !== commit);
  return { ...before, quarantine: [entry, ...others].slice(0, MAX_ENTRIES) };
}

export function quarantined(ledger: Ledger, spec: Spec, commit: string): Quarantined | undefined {
  const entry = ledger.quarantine.find((one) => one.commit === commit);
  return entry !== undefined && entry.fingerprint === fingerprint(spec) ? entry : undefined;
}
