/** Serves git repositories of this machine to test hosts, over git's own protocol. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';

export interface GitServer {
  /** URL of a repository below the folder. */
  url(name: string): string;
  /** As a remote that went away; `open` brings it back. */
  close(): Promise<void>;
  open(): Promise<void>;
}

/** One `git daemon` for each connection, as inetd would start it. Keeps no process alive. */
export async function serveGit(options: { readonly folder: string; readonly address: string }): Promise<GitServer> {
  const { folder, address } = options;
  const server: Server = createServer((socket) => {
    const git = spawn('git', ['daemon', '--inetd', '--export-all', `--base-path=${folder}`, folder], {
      stdio: ['pipe', 'pipe', 'ignore'],
      env: { ...process.env, GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: 'safe.directory', GIT_CONFIG_VALUE_0: '*' },
    });
    // A client that hangs up early is no error of ours.
    for (const stream of [socket, git.stdin, git.stdout]) stream.on('error', () => {});
    git.on('error', () => socket.destroy());
    socket.pipe(git.stdin);
    git.stdout.pipe(socket);
  });
  server.unref();
  let port = 0;
  const open = async (): Promise<void> => {
    server.listen(port, address);
    await once(server, 'listening');
    const bound = server.address();
    if (typeof bound === 'object' && bound !== null) port = bound.port;
  };
  await open();
  return {
    url: (name) => `git://${address}:${port}/${name}`,
    open,
    async close() {
      server.close();
      await once(server, 'close');
    },
  };
}
