/** What others have a hand in is cut to this, so that nobody can fill the store with it. */
const TEXT_CHARACTERS = 500;

/**
 * A text that others have a hand in, as a column takes it: PostgreSQL keeps no NUL, and other control characters would
 * speak to the terminal of whoever reads the list.
 */
export function plain(text: string): string {
  return text
    .slice(0, TEXT_CHARACTERS)
    .replaceAll(/\p{Cc}/gu, '?')
    .toWellFormed();
}
