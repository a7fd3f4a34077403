import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where tarballs and wheels are kept between builds: outside of the work tree. */
export const CACHE_FOLDER =
  process.env['XDG_CACHE_HOME'] !== undefined && process.env['XDG_CACHE_HOME'] !== ''
    ? join(process.env['XDG_CACHE_HOME'], 'holdfast')
    : process.getuid?.() === 0
      ? '/var/cache/holdfast'
      : join(homedir(), '.cache', 'holdfast');
