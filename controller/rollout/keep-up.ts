import { isGiven } from './model.ts';
import type { Parts } from './parts.ts';

/**
 * Knows, when it resolves, what the hosts of the newest rollout were given: another controller may have given it, and word of
 * that may still be on its way, or be lost with it. Whoever compares what hosts have with what they should have begins so.
 */
export async function keepUp({ serving, known: { current } }: Pick<Parts, 'serving' | 'known'>): Promise<void> {
  if (current !== undefined) await serving.keepUp([...current.hosts.values()].filter(isGiven));
}
