/** The three sorts of forges, by the form of their webhooks and of their API. Gitea's is Forgejo's, too. */
export const FORGES = ['github', 'gitlab', 'gitea'] as const;
export type Forge = (typeof FORGES)[number];

export function isForge(text: string): text is Forge {
  return FORGES.some((one) => one === text);
}

/** A repository as its forge names it. */
export interface ForgeProject {
  readonly kind: Forge;
  /** Of the API, without a slash at its end: `https://api.github.com`, `https://gitlab.example/api/v4`. */
  readonly api: string;
  /** `owner/name`, on GitLab with groups of any depth. */
  readonly path: string;
}

export interface ForgeOptions extends ForgeProject {
  readonly tokenFile: string;
}

/** From the URL that is fetched, by https or ssh. `undefined` where it names no project. Pure. */
export function projectOf(kind: Forge, repository: string, api?: string): ForgeProject | undefined {
  const match =
    /^(?:https?|ssh|git):\/\/(?:[^/@]*@)?([^/]+)\/(.+?)(?:\.git)?\/?$/.exec(repository) ??
    /^(?:[^/@:]+@)([^/:]+):(.+?)(?:\.git)?\/?$/.exec(repository);
  const [, host = '', path = ''] = match ?? [];
  const parts = path.split('/');
  const fits = kind === 'gitlab' ? parts.length >= 2 : parts.length === 2;
  if (host === '' || !fits || !parts.every((part) => /^[\w.-]+$/.test(part) && !/^\.+$/.test(part))) return undefined;
  return { kind, path, api: (api ?? apiOf(kind, host)).replace(/\/+$/, '') };
}

function apiOf(kind: Forge, host: string): string {
  const name = host.replace(/^ssh\./, '').replace(/(?<!\]):\d+$/, (port) => (/^:(?:22|2222)$/.test(port) ? '' : port));
  switch (kind) {
    case 'github':
      return name === 'github.com' ? 'https://api.github.com' : `https://${name}/api/v3`;
    case 'gitlab':
      return `https://${name}/api/v4`;
    case 'gitea':
      return `https://${name}/api/v1`;
  }
}
