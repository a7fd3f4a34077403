import { cpus, release, totalmem } from 'node:os';
import type { Machine } from './figure.ts';

export function thisMachine(): Machine {
  const processors = cpus();
  return {
    cpus: processors.length,
    model: processors[0]?.model ?? 'unknown',
    memory_mb: Math.round(totalmem() / 1_048_576),
    kernel: release(),
    node: process.version,
  };
}
