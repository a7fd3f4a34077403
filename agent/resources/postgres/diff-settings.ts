import type { SettingValue } from '../../../desired-state/schema/postgres-names.ts';
import { editConfig } from './config-edit.ts';
import type { SettingFact } from './facts.ts';
import { mainConfig } from './observe.ts';
import { configValue, plainValue, sameValue } from './setting-value.ts';
import type { Change, ServerState, Spec, State } from './state.ts';

/** Settings count by what the files say when all are read, and by what the server runs with. Pure. */

type Found = Extract<State, { readonly found: 'one' }>;

interface Verdict {
  readonly name: string;
  readonly wanted: SettingValue;
  readonly inFiles: boolean;
  readonly running: boolean;
  readonly fact: SettingFact | undefined;
}

export function diffSettings(spec: Spec, { cluster, configuration, server }: Found): readonly Change[] {
  const verdicts = Object.entries(spec.settings).map(([name, wanted]) =>
    judge(name, wanted, configuration.order, server),
  );
  const refused = verdicts.flatMap((verdict) => refusal(verdict, server));
  const possible = verdicts.filter((verdict) => refusal(verdict, server).length === 0);
  const wrong = possible.filter(({ inFiles, running }) => !inFiles || !running);
  if (wrong.length === 0) return refused;
  const texts = new Map(
    wrong.filter(({ inFiles }) => !inFiles).map(({ name, wanted }) => [name, configValue(wanted)] as const),
  );
  const main = mainConfig(cluster);
  const files = configuration.files.toSorted((a, b) => Number(b.path === main) - Number(a.path === main));
  const change: Change = {
    type: 'settings',
    cluster,
    names: wrong.map(({ name }) => name),
    edits: editConfig(files, texts),
    configuration,
    action: actionFor(wrong, server),
  };
  return [change, ...refused];
}

function judge(
  name: string,
  wanted: SettingValue,
  order: Found['configuration']['order'],
  server: ServerState,
): Verdict {
  const fact = server.state === 'ready' ? server.settings.find((setting) => setting.name === name) : undefined;
  const last = order.findLast((assignment) => assignment.name === name)?.value;
  const same = (actual: string) => sameValue({ name, wanted, actual, meaning: fact });
  return {
    name,
    wanted,
    inFiles: last !== undefined && same(last),
    running: server.state !== 'ready' || (fact !== undefined && same(fact.value ?? '')),
    fact,
  };
}

function actionFor(wrong: readonly Verdict[], server: ServerState): 'nothing' | 'reload' | 'restart' {
  if (server.state !== 'ready') return 'nothing';
  const restart = wrong.some(({ fact, running }) => !running && fact?.context === 'postmaster');
  return restart ? 'restart' : 'reload';
}

function refusal({ name, wanted, running, inFiles, fact }: Verdict, server: ServerState): readonly Change[] {
  if (server.state !== 'ready') return [];
  const refuse = (message: string): readonly Change[] => [
    { type: 'refused', summary: `set ${name} = ${plainValue(wanted)}`, message, stalled: true },
  ];
  if (fact === undefined) {
    // A setting of an extension is unknown until the extension is loaded.
    if (name.includes('.')) return [];
    return refuse(`PostgreSQL ${Math.floor(server.version / 10_000)} has no setting "${name}"`);
  }
  if (fact.context === 'internal' && !running) {
    return refuse(`${name} was fixed when the server was built or the cluster was made (it is ${fact.value ?? ''})`);
  }
  if (inFiles && !running && fact.source === 'command line') {
    return refuse(`${name} is set on the server's command line: take it out of pg_ctl.conf or the unit's environment`);
  }
  return [];
}
