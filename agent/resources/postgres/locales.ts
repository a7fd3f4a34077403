import type { Host } from '../../host/host.ts';
import { localeGenLine } from './locale-name.ts';

const LOCALE_GEN = '/etc/locale.gen';
const GENERATOR = '/usr/sbin/locale-gen';
/** Compiling one locale takes seconds on a small machine. */
const TIMEOUT_MS = 180_000;

/** Debian's way, so that an upgrade of the C library generates it again. */
export async function generateLocale(locale: string, host: Host): Promise<void> {
  if ((await host.files.statTarget(GENERATOR)) === undefined) {
    throw new Error(`locale ${locale} is missing and ${GENERATOR} too: add the package locales to packages`);
  }
  const before = (await host.files.readText(LOCALE_GEN)) ?? '';
  const line = localeGenLine(locale);
  if (!before.split('\n').some((one) => one.trim() === line)) {
    const stat = await host.files.statTarget(LOCALE_GEN);
    const lines = before.split('\n').filter((one) => one.replace(/^[#\s]+/, '').trim() !== line);
    const text = `${lines.join('\n').replace(/\n*$/, '')}\n${line}\n`.replace(/^\n/, '');
    await host.files.write(LOCALE_GEN, text, { uid: stat?.uid ?? 0, gid: stat?.gid ?? 0, mode: stat?.mode ?? 0o644 });
  }
  await host.run({ argv: [GENERATOR], timeout_ms: TIMEOUT_MS });
}
