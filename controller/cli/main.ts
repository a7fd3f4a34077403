import type { Io } from './command.ts';
import { dispatch } from './dispatch.ts';
import { painter } from './paint.ts';

const { stdout, stderr, stdin, env } = process;
const isTerminal = stdout.isTTY;

const io: Io = {
  out: (text) => void stdout.write(text),
  err: (text) => void stderr.write(text),
  width: isTerminal ? stdout.columns : undefined,
  paint: painter(isTerminal, env),
  env,
  stdin,
  now_ms: () => Date.now(),
};

// The reader, such as head(1), has seen enough.
stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

process.exitCode = await dispatch(process.argv.slice(2), io);
