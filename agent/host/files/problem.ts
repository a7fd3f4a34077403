import { lstatSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * A file operation that the machine refused, in words that say what to do next. `code` is the system's own (`ENOSPC`) or
 * one of this port: `ECHANGED` (the path changed since it was looked at), `EUNSAFE` (a symlink that an unprivileged user
 * controls), `ENOTREGULAR`, `ETOOBIG`.
 */
export class FileProblem extends Error {
  override readonly name = 'FileProblem';
  readonly code: string;
  readonly path: string;

  constructor(code: string, path: string, message: string) {
    super(message);
    this.code = code;
    this.path = path;
  }
}

export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** `action` in the infinitive: `write`, `remove`. `path` as the user knows it, not as the system call got it. */
export function explain(error: unknown, action: string, path: string): Error {
  if (error instanceof FileProblem) return error;
  const code = errorCode(error);
  if (code === undefined) return error instanceof Error ? error : new Error(String(error));
  return new FileProblem(code, path, `cannot ${action} ${path}: ${reason(code, path)}`);
}

function reason(code: string, path: string): string {
  const directory = dirname(path);
  switch (code) {
    case 'ENOSPC':
      return `no space or no inodes are left on its file system: look at "df -h ${directory}" and "df -i ${directory}"`;
    case 'EDQUOT':
      return 'the disk quota is used up: look at "repquota -a"';
    case 'EROFS':
      return `its file system is mounted read-only: look at "findmnt -T ${directory}" and at "dmesg" for disk errors`;
    case 'EPERM':
      return `the system forbids it even to root, as it does for immutable files: look at "lsattr -d ${path} ${directory}", undo with "chattr -i"`;
    case 'EACCES':
      return 'permission denied, although the agent runs as root: look for a network file system or a security module';
    case 'ENOENT':
      return `there is no directory ${firstMissing(directory)}: declare it in the section "directories"`;
    case 'ENOTDIR':
      return `${firstNonDirectory(directory) ?? directory} is not a directory`;
    case 'ENOTEMPTY':
    case 'EEXIST':
      return 'there is something in the way';
    case 'EISDIR':
      return 'it is a directory';
    case 'EBUSY':
      return `it is in use, for example as a mount point: look at "findmnt ${path}"`;
    case 'ENAMETOOLONG':
      return 'the name is too long for its file system';
    case 'ELOOP':
      return 'too many symlinks lead to each other';
    default:
      return code;
  }
}

function firstMissing(directory: string): string {
  let missing = directory;
  while (missing !== '/' && typeAt(dirname(missing)) === undefined) missing = dirname(missing);
  return missing;
}

function firstNonDirectory(directory: string): string | undefined {
  let candidate = directory;
  while (candidate !== '/') {
    const type = typeAt(candidate);
    if (type === 'other') return candidate;
    candidate = dirname(candidate);
  }
  return undefined;
}

function typeAt(path: string): 'directory' | 'other' | undefined {
  try {
    const stat = lstatSync(path);
    return stat.isDirectory() || stat.isSymbolicLink() ? 'directory' : 'other';
  } catch {
    return undefined;
  }
}
