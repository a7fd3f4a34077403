import { HELP, parseOptions, UsageError } from './options.ts';

/** How long a stop may take before the process ends anyway. */
const STOP_BOUND_MS = 10_000;

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2), process.env);
  if (options === 'help') {
    process.stdout.write(HELP);
    return;
  }
  // It holds a password, and processes that are started from here have no business with it.
  delete process.env['DATABASE_URL'];
  // Loaded only now, so that --help and a wrong command line are answered at once.
  // Of a CommonJS module the bundle knows only the default export.
  const [{ default: pino }, { startController }] = await Promise.all([import('pino'), import('./controller.ts')]);
  const logger = pino({
    level: options.logLevel,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: { paths: ['req.headers.authorization', '*.authorization', '*.token'], censor: '***' },
  });
  const controller = await startController(options, logger);
  logger.info(
    { url: controller.url, repository: options.repository?.replace(/\/\/[^/@]*@/, '//***@') ?? 'hosted here' },
    'controller listens',
  );
  let stopping = false;
  const stop = (signal: string): void => {
    if (stopping) process.exit(1); // asked twice: at once
    stopping = true;
    logger.info({ signal }, 'controller stops');
    setTimeout(() => process.exit(1), STOP_BOUND_MS).unref();
    controller.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error({ err: error }, 'stop failed');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

try {
  await main();
} catch (error) {
  const usage = error instanceof UsageError;
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`holdfast-controller: ${message}${usage ? '\nTry --help.' : ''}\n`);
  process.exitCode = usage ? 2 : 1;
}
