import type { RolloutEvent } from '../git/ports.ts';
import { isOver, type RolloutView } from './model.ts';

/** What somebody who follows a rollout has been told. */
export class Told {
  readonly hosts = new Map<string, string>();
  readonly waves = new Set<string>();
}

/** How many hosts of a wave are named. */
const SHOWN = 8;

/** What there is to tell beyond what was told; `offered` says when a host was given the revision, if that is known here. Pure but for `told`. */
export function* eventsOf(
  { rollout, hosts }: RolloutView,
  told: Told,
  offered: (host: string) => number | undefined,
): Generator<RolloutEvent, void, undefined> {
  yield* waveNotes({ rollout, hosts }, told);
  for (const { host, state, why, since_ms } of hosts) {
    const key = `${state} ${why ?? ''}`;
    if (told.hosts.get(host) === key) continue;
    told.hosts.set(host, key);
    if (state === 'converged') {
      yield { type: 'converged', host, took_ms: Math.max(0, since_ms - (offered(host) ?? rollout.started_ms)) };
    } else if (state === 'failed') yield { type: 'failed', host, why: why ?? 'it says no more' };
    else if (state === 'gone' || (state === 'offered' && why !== null)) {
      yield { type: 'note', text: `${host} is not waited for: ${why ?? 'it is gone'}` };
    }
  }
  const { state, why } = rollout;
  if (state === 'running') return;
  if (isOver(state) || state === 'paused' || state === 'frozen') yield { type: 'ended', state, why: why ?? undefined };
}

function* waveNotes({ rollout, hosts }: RolloutView, told: Told): Generator<RolloutEvent, void, undefined> {
  for (const group of rollout.plan.groups) {
    if (group.waves < 2) continue;
    for (let wave = 0; wave < group.waves; wave += 1) {
      const key = `${group.name} ${wave}`;
      if (told.waves.has(key)) continue;
      const names = hosts.filter((row) => row.group === group.name && row.wave === wave);
      if (names.every(({ state }) => state === 'waiting')) break;
      told.waves.add(key);
      const shown = names.slice(0, SHOWN).map(({ host }) => host);
      const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : '';
      yield { type: 'note', text: `wave ${wave + 1} of ${group.waves} of ${group.name}: ${shown.join(', ')}${more}` };
    }
  }
}
