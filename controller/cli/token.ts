import { UsageError } from '../options.ts';
import type { JoinTokenView } from '../trust/join-tokens.ts';
import type { TokenView } from '../trust/tokens.ts';
import { type Command, numberIn, type Work } from './command.ts';
import { table } from './table.ts';
import { agoText } from './text.ts';

const ROLES = ['read', 'deploy', 'admin'];

interface Made {
  readonly id: string;
  readonly token: string;
  readonly expires_ms?: number;
}

/** The text alone goes to standard output, so that it can go into a file without ever being shown. */
function tellMade(work: Work, made: Made, what: string): void {
  const { io } = work;
  work.answer(made, () => `${made.token}\n`);
  if (work.flag('json')) return;
  const end =
    made.expires_ms === undefined ? 'counts until it is revoked' : `ends ${agoText(made.expires_ms, io.now_ms())}`;
  io.err(`${what}; it ${end}, and is shown this once\n`);
}

export const tokenCreate: Command = {
  name: 'token create',
  args: 'NAME',
  summary: 'makes a token for a person or a program',
  about: 'The token is written to standard output: holdfast token create ann --role deploy > ann.token',
  options: {
    role: { value: 'ROLE', help: 'read, deploy or admin; wanted' },
    'valid-for': { value: 'DURATION', help: 'such as 90d (default: until it is revoked)' },
  },
  online: true,
  async run(work) {
    const [name = ''] = work.args;
    const role = work.text('role');
    if (role === undefined || !ROLES.includes(role)) throw new UsageError('--role expects read, deploy or admin');
    const validFor = work.text('valid-for');
    const body = { name, role, ...(validFor === undefined ? {} : { validFor }) };
    const made = await (await work.client()).ask<Made>('POST /v1/tokens', { body });
    tellMade(work, made, `token ${made.id} of ${name} with the role ${role}`);
    return 0;
  },
};

export const tokenJoin: Command = {
  name: 'token join',
  summary: 'makes a join token, by which a machine becomes a host',
  about: 'On the machine: holdfast-agent enroll --controller URL --join-token-file FILE',
  options: {
    host: { value: 'HOST', help: 'for this host alone (default: any that git names and that no machine is yet)' },
    'valid-for': { value: 'DURATION', help: 'such as 8h, at most 30d (default: 1h)' },
    uses: { value: 'N', help: 'for so many machines (default: 1)' },
  },
  online: true,
  async run(work) {
    const [host, validFor] = [work.text('host'), work.text('valid-for')];
    const body = {
      uses: numberIn(work, 'uses', 1, 10_000),
      ...(host === undefined ? {} : { host }),
      ...(validFor === undefined ? {} : { validFor }),
    };
    const made = await (await work.client()).ask<Made>('POST /v1/join-tokens', { body });
    tellMade(work, made, `join token ${made.id} for ${host ?? 'any host'}`);
    return 0;
  },
};

export const tokenList: Command = {
  name: 'token list',
  summary: 'tokens of operators, or join tokens; never their texts',
  options: { join: { help: 'join tokens' } },
  online: true,
  async run(work) {
    const { io } = work;
    const client = await work.client();
    const now_ms = io.now_ms();
    if (work.flag('join')) {
      const answer = await client.ask<{ joinTokens: readonly JoinTokenView[] }>('GET /v1/join-tokens');
      const columns = [
        { title: 'ID', value: ({ id }: JoinTokenView) => id, whole: true as const },
        { title: 'HOST', value: ({ host }: JoinTokenView) => host ?? 'any' },
        { title: 'USES', value: ({ uses_left }: JoinTokenView) => uses_left, right: true as const },
        { title: 'ENDS', value: ({ expires_ms }: JoinTokenView) => agoText(expires_ms, now_ms) },
        { title: 'MADE BY', value: ({ created_by }: JoinTokenView) => created_by },
      ];
      work.answer(answer, () =>
        answer.joinTokens.length === 0 ? 'no join token\n' : table(answer.joinTokens, columns, io),
      );
      return 0;
    }
    const answer = await client.ask<{ tokens: readonly TokenView[] }>('GET /v1/tokens');
    const columns = [
      { title: 'ID', value: ({ id }: TokenView) => id, whole: true as const },
      { title: 'NAME', value: ({ name }: TokenView) => name },
      { title: 'ROLE', value: ({ role }: TokenView) => role },
      { title: 'MADE', value: ({ created_ms }: TokenView) => agoText(created_ms, now_ms) },
      { title: 'USED', value: ({ last_used_ms }: TokenView) => agoText(last_used_ms, now_ms) },
      { title: 'ENDS', value: (one: TokenView) => endText(one, now_ms) },
      { title: 'MADE BY', value: ({ created_by }: TokenView) => created_by },
    ];
    work.answer(answer, () => table(answer.tokens, columns, io));
    return 0;
  },
};

function endText({ revoked_ms, expires_ms }: TokenView, now_ms: number): string {
  if (revoked_ms !== null) return `revoked ${agoText(revoked_ms, now_ms)}`;
  return expires_ms === null ? 'never' : agoText(expires_ms, now_ms);
}

export const tokenRevoke: Command = {
  name: 'token revoke',
  args: 'ID',
  summary: 'ends a token at once, on every controller',
  options: { join: { help: 'a join token' } },
  online: true,
  async run(work) {
    const [id = ''] = work.args;
    const client = await work.client();
    // Somebody may give the token itself in the place of its id: it must not get into logs of addresses.
    if (!/^[0-9a-f]{1,12}$/.test(id)) throw new UsageError('ID expects what "holdfast token list" shows');
    if (work.flag('join')) {
      await client.ask<undefined>('DELETE /v1/join-tokens/{id}', { path: { id } });
      work.answer({ id, revoked: true }, () => `join token ${id} is gone\n`);
      return 0;
    }
    const token = await client.ask<TokenView>('DELETE /v1/tokens/{id}', { path: { id } });
    work.answer(token, () => `token ${id} of ${token.name} is revoked\n`);
    return 0;
  },
};
