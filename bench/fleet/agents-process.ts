/** A process of simulated agents: takes orders over its IPC channel, tells what they see, and ends with the channel. */
import { setTimeout as sleep } from 'node:timers/promises';
import { SimulatedAgent } from './agent.ts';
import { agentDirectory } from './identities.ts';
import type { Order } from './messages.ts';
import { Tally } from './tally.ts';

const TELL_EVERY_MS = 200;

const tally = new Tally();
const agents: SimulatedAgent[] = [];

async function start(order: Extract<Order, { readonly type: 'start' }>): Promise<void> {
  const began = performance.now();
  for (const [index, { host, controller, address }] of order.agents.entries()) {
    const due_ms = (index / order.agents.length) * order.within_ms - (performance.now() - began);
    if (due_ms > 5) await sleep(due_ms);
    const stateDirectory = agentDirectory(order.folder, host);
    const agent = new SimulatedAgent({ host, controller, address, stateDirectory, tally });
    agents.push(agent);
    agent.start();
  }
}

function follow(order: Order): void {
  if (order.type === 'seek') tally.seek(order.revision);
  else if (order.type === 'watch') tally.watch(order.controller);
  else void start(order);
}

setInterval(() => process.send?.(tally.seen), TELL_EVERY_MS);
process.on('message', (order: Order) => follow(order));
process.on('disconnect', () => process.exit(0));
