import type { Host } from '../../host/host.ts';
import { Stalled } from '../../resource.ts';
import { localeSource } from './locale-name.ts';

const LOCALE_GEN = '/etc/locale.gen';
const SOURCES = '/usr/share/i18n/locales';
/** Compiling one locale takes seconds on a small machine. */
const TIMEOUT_MS = 180_000;

/**
 * Puts the locale into `/etc/locale.gen`, so that an upgrade of the C library makes it again, and makes it in a directory
 * of its own: a running server has mapped the archive that `locale-gen` writes, and would see a new one only after a
 * restart.
 */
export async function generateLocale(locale: string, host: Host): Promise<void> {
  const { source, codeset } = localeSource(locale);
  if ((await host.files.list(SOURCES)) === undefined) {
    throw new Error(`locale ${locale} is missing and what it is made from too: add the package locales to packages`);
  }
  if ((await host.files.statTarget(`${SOURCES}/${source}`)) === undefined) {
    throw new Stalled(`there is no locale ${locale}: ${SOURCES} has no "${source}"`);
  }
  await remember(`${locale} ${codeset}`, host);
  await host.run({
    argv: ['localedef', '--no-archive', '-c', '-i', source, '-f', codeset, locale],
    timeout_ms: TIMEOUT_MS,
  });
}

async function remember(line: string, host: Host): Promise<void> {
  const before = (await host.files.readText(LOCALE_GEN)) ?? '';
  const lines = before.split('\n');
  if (lines.some((one) => one.trim() === line)) return;
  const stat = await host.files.statTarget(LOCALE_GEN);
  const commented = lines.findIndex((one) => one.replace(/^[#\s]+/, '').trim() === line);
  const text =
    commented === -1
      ? `${before}${before === '' || before.endsWith('\n') ? '' : '\n'}${line}\n`
      : lines.with(commented, line).join('\n');
  await host.files.write(LOCALE_GEN, text, { uid: stat?.uid ?? 0, gid: stat?.gid ?? 0, mode: stat?.mode ?? 0o644 });
}
