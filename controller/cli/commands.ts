import type { Command, OwnCommand } from './command.ts';
import { completion } from './completion.ts';
import { audit, revisions } from './history.ts';
import { hostCertificates, hostRevoke, hostShow } from './host.ts';
import { hosts } from './hosts.ts';
import { login } from './login.ts';
import { logs } from './logs.ts';
import { pause, resume } from './pause.ts';
import { diff, plan } from './plan.ts';
import { refresh } from './refresh.ts';
import { rolloutAbort, rolloutList, rolloutPause, rolloutResume, rolloutStatus } from './rollout.ts';
import { run, runs } from './runs.ts';
import { status } from './status.ts';
import { tokenCreate, tokenJoin, tokenList, tokenRevoke } from './token.ts';

/** The compiler and the library of age are loaded by who needs them alone. */
const validate: OwnCommand = {
  name: 'validate',
  args: '[DIRECTORY]',
  summary: 'checks the desired state and prints every issue; needs no controller',
  own: async (args, io) => (await import('./validate.ts')).validate(args, io),
  words: ['--secrets', '--identity', '--json', '--help'],
};

const secret: OwnCommand = {
  name: 'secret',
  args: 'COMMAND',
  summary: 'secrets in git: set, get, edit, generate, list, rekey, recipients, keygen',
  own: async (args, io) => (await import('./secret.ts')).secret(args, io),
  words: ['set', 'get', 'edit', 'generate', 'list', 'rekey', 'recipients', 'keygen', '--help'],
};

/** Every command, by what it is about. */
export const GROUPS: readonly (readonly [title: string, commands: readonly (Command | OwnCommand)[]])[] = [
  ['See how it is', [status, hosts, hostShow, runs, run, logs]],
  ['Before a push', [validate, plan, diff, secret]],
  ['On its way to the hosts', [rolloutStatus, rolloutList, rolloutResume, rolloutPause, rolloutAbort]],
  ['Hosts', [pause, resume, hostCertificates, hostRevoke]],
  ['The controller', [revisions, refresh, audit]],
  ['Who may do what', [login, tokenCreate, tokenList, tokenRevoke, tokenJoin]],
  ['This terminal', [completion]],
];

export const COMMANDS: readonly (Command | OwnCommand)[] = GROUPS.flatMap(([, commands]) => commands);
