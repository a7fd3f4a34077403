/** Ends a run of the agent at some moment, as the kernel does when memory is short. */
import type { AgentOnHost } from '../conformance/agent-on-host.ts';

/** `agent`: its children live on as orphans. `all`: the programs that it has started end with it. */
export type Victims = 'agent' | 'all';

const START_AND_KILL = `
setsid holdfast-agent run --once --json >/root/killed-run 2>&1 & PID=$!
sleep "$1"
if [ "$2" = all ]; then kill -9 -- -$PID; else kill -9 $PID; fi 2>/dev/null
wait $PID
echo $?`;
const KILLED = 128 + 9;
const SLACK_MS = 60_000;

/** Resolves to whether the run was killed, or had ended before. */
export async function runAndKill(agent: AgentOnHost, after_ms: number, victims: Victims): Promise<boolean> {
  const argv = ['bash', '-c', START_AND_KILL, 'bash', (after_ms / 1000).toFixed(3), victims];
  const { stdout } = await agent.host.exec(argv, { timeout_ms: after_ms + SLACK_MS });
  return Number(stdout) === KILLED;
}

/** Numbers from 0 to 1 that the same seed gives again (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
