/** Locale names in one spelling: `en_US.UTF-8` is `en_US.utf8`. Pure. */

export function normalLocale(locale: string): string {
  const [language = '', rest] = locale.split('.');
  if (rest === undefined) return language === 'POSIX' ? 'C' : language;
  const [codeset = '', modifier] = rest.split('@');
  const normal = codeset.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
  return `${language}.${normal}${modifier === undefined ? '' : `@${modifier}`}`;
}

/** Always there, whatever the host has generated. */
export function isBuiltIn(locale: string): boolean {
  return ['C', 'C.utf8'].includes(normalLocale(locale));
}

/** `UTF-8`, `utf8` and `UTF8` are one encoding. */
export function normalEncoding(encoding: string): string {
  const name = encoding.toUpperCase().replaceAll(/[^A-Z0-9]/g, '');
  return name === 'UNICODE' ? 'UTF8' : name;
}

/** What a locale is made from: `de_DE.UTF-8@x` from `de_DE@x` and the codeset UTF-8. */
export function localeSource(locale: string): { readonly source: string; readonly codeset: string } {
  const [, language = locale, codeset = 'ISO-8859-1', modifier = ''] =
    /^([^.@]+)(?:\.([^@]+))?(@.+)?$/.exec(locale) ?? [];
  return {
    source: `${language}${modifier}`,
    codeset: normalEncoding(codeset) === 'UTF8' ? 'UTF-8' : codeset,
  };
}
