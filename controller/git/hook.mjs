/**
 * What git runs as pre-receive and post-receive: hands the push to the controller over its socket, prints its lines, and
 * ends as it says. Plain JavaScript and one module of Node, because a push waits for it twice: stripping types would cost
 * it another 80 ms.
 *
 * node hook.mjs pre-receive|post-receive SOCKET
 */
import { connect } from 'node:net';

const [hook, path] = process.argv.slice(2);
const { env } = process;
const MOST_INPUT_CHARACTERS = 1_000_000;
/** In the quarantine of a push nothing has changed yet; afterwards the branch has moved, whatever becomes of its hook. */
const LOST =
  hook === 'pre-receive'
    ? { status: 1, text: 'the controller went away before it had answered: nothing was changed; push again' }
    : {
        status: 0,
        text: 'the controller went away; the rollout goes on without this terminal: holdfast rollout status',
      };

let input = '';
for await (const chunk of process.stdin.setEncoding('utf8')) {
  input += chunk;
  if (input.length > MOST_INPUT_CHARACTERS) end(1, 'more refs than a push may have');
}
const options = Array.from({ length: Number(env.GIT_PUSH_OPTION_COUNT ?? 0) }, (_, at) => env[`GIT_PUSH_OPTION_${at}`]);
const call = {
  hook,
  push: env.HOLDFAST_PUSH,
  user: env.SUDO_USER ?? env.USER ?? env.LOGNAME,
  uid: process.getuid(),
  from: env.SSH_CONNECTION?.split(' ')[0],
  input,
  options,
  directory: process.cwd(),
  objects: env.GIT_OBJECT_DIRECTORY,
  alternates: env.GIT_ALTERNATE_OBJECT_DIRECTORIES,
};

const socket = connect(path);
let rest = '';
socket.setEncoding('utf8');
socket.on('connect', () => socket.write(`${JSON.stringify(call)}\n`));
socket.on('data', (text) => {
  const lines = (rest + text).split('\n');
  rest = lines.pop();
  for (const line of lines) {
    const { say, status } = JSON.parse(line);
    if (say !== undefined) process.stdout.write(`${say}\n`);
    if (status !== undefined) process.exit(status);
  }
});
socket.on('error', (error) => {
  if (error.code !== 'ENOENT' && error.code !== 'ECONNREFUSED' && error.code !== 'EACCES') return;
  const why = error.code === 'EACCES' ? 'this user may not speak to the controller' : 'the controller does not run';
  end(LOST.status, `${why} (${path}: ${error.code})${hook === 'pre-receive' ? ': nothing was changed' : ''}`);
});
socket.on('close', () => end(LOST.status, LOST.text));

function end(status, text) {
  process.stdout.write(`${text}\n`);
  process.exit(status);
}
