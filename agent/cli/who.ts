import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';

/** `(uid_t) -1`: nobody has logged in to this process's session (a service, a container). */
const UNSET_LOGIN = '4294967295';

/** The person behind a command, for those who find its traces: by sudo, or by the login that pam recorded. */
export function who(env: NodeJS.ProcessEnv = process.env): string {
  const sudo = env['SUDO_USER'];
  if (sudo !== undefined && sudo !== '') return sudo;
  return loginName() ?? userInfo().username;
}

function loginName(): string | undefined {
  try {
    const uid = readFileSync('/proc/self/loginuid', 'utf8').trim();
    if (uid === UNSET_LOGIN || uid === '') return undefined;
    const line = readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .find((candidate) => candidate.split(':')[2] === uid);
    return line?.split(':')[0] ?? `uid ${uid}`;
  } catch {
    return undefined;
  }
}
