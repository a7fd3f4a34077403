/** The reference deployment on two test hosts, under manifests that are compiled from desired-state/. */
import { randomBytes } from 'node:crypto';
import { parse } from 'yaml';
import { Secret } from '../../desired-state/schema/secret.ts';
import { AgentOnHost, type AgentResult, differences } from '../conformance/agent-on-host.ts';
import { bakedImage } from '../hosts/bake.ts';
import { type Host, type StartOptions, startHost } from '../hosts/host.ts';
import { sharedNetwork } from '../hosts/network.ts';
import { Application } from './application.ts';
import { type GitServer, serveGit } from './git-server.ts';
import { compileDeployment, deploymentTree, type Edits } from './manifests.ts';
import { SWAP_FILE, SWAP_FOLDER } from './swap-file.ts';
import { prepareTools, TOOLS_KEY } from './tools.ts';

export const SIDES = ['db', 'web'] as const;
export type Side = (typeof SIDES)[number];

const MANIFEST = '/var/lib/holdfast/manifest.json';

export class Deployment {
  readonly db: AgentOnHost;
  readonly web: AgentOnHost;
  readonly application: Application;
  readonly git: GitServer;
  /** What no output may show. */
  readonly secrets: Map<string, Secret>;
  readonly #extras: boolean;

  constructor(parts: Pick<Deployment, 'db' | 'web' | 'application' | 'git' | 'secrets'> & { extras: boolean }) {
    this.db = parts.db;
    this.web = parts.web;
    this.application = parts.application;
    this.git = parts.git;
    this.secrets = parts.secrets;
    this.#extras = parts.extras;
  }

  host(side: Side): Host {
    return this[side].host;
  }

  /** Compiles both manifests and puts them where the agents find them. */
  async writeManifests(revision: string, edits: Edits = {}): Promise<void> {
    const { host: db } = this.db;
    const { host: web } = this.web;
    const texts = await compileDeployment(
      { db: db.address, web: web.address, repository: this.git.url('todomvc.git'), extras: this.#extras },
      { revision, secrets: this.secrets, edits },
    );
    await Promise.all([db.writeFile(MANIFEST, texts.db, '0600'), web.writeFile(MANIFEST, texts.web, '0600')]);
  }

  /** The database host first, as somebody would who knows that the other needs it. */
  async converge(): Promise<Readonly<Record<Side, AgentResult>>> {
    return { db: await mustConverge(this.db), web: await mustConverge(this.web) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.git.close();
    // Swap of a container is its machine's, and outlives it.
    await Promise.all(SIDES.map((side) => this.host(side).exec(['bash', '-c', `swapoff ${SWAP_FILE}; true`])));
    await Promise.all(SIDES.map((side) => this.host(side).dispose()));
    await this.application[Symbol.asyncDispose]();
  }
}

/** A run that leaves nothing to do. */
export async function mustConverge(agent: AgentOnHost): Promise<AgentResult> {
  const run = await agent.run();
  if (run.code === 0) return run;
  throw new Error(`${agent.host.name} does not converge:\n${run.stderr}${differences(run.result).join('\n')}`);
}

export interface Stage {
  /** Images to start from; blank hosts where one is missing. */
  readonly db?: string;
  readonly web?: string;
  /** With the tests' own role on top; true unless told. */
  readonly extras?: boolean;
}

/** Two hosts with manifests of their own: their addresses, and secrets drawn at random. Nothing is converged yet. */
export async function startDeployment(stage: Stage): Promise<Deployment> {
  const volumes = [SWAP_FOLDER];
  const [db, web] = await Promise.all([
    startHost({ name: 'db-1', volumes, ...imageOption(stage.db) }),
    startHost({ name: 'web-1', volumes, ...imageOption(stage.web) }),
  ]);
  if (stage.web !== undefined) await web.sh(OWN_NGINX);
  return deploymentOn({ db, web, extras: stage.extras ?? true });
}

/** On an overlay file system a directory of the image cannot be renamed, as the kind nginx does it. */
const OWN_NGINX = 'cd /etc; [ ! -d nginx ] || { cp -a nginx nginx.own; rm -r nginx; mv nginx.own nginx; }';

export async function deploymentOn(options: { db: Host; web: Host; extras: boolean }): Promise<Deployment> {
  const { db, web, extras } = options;
  const [application, network] = await Promise.all([Application.create(), sharedNetwork()]);
  const git = await serveGit({ folder: application.folder, address: network.gatewayAddress });
  const deployment = new Deployment({
    db: await AgentOnHost.install(db),
    web: await AgentOnHost.install(web),
    application,
    git,
    secrets: new Map([
      ...randomSecrets(),
      ...(extras ? [['tools_apt_key', new Secret(await web.readFile(TOOLS_KEY))] as const] : []),
    ]),
    extras,
  });
  await deployment.writeManifests('test');
  return deployment;
}

export function randomSecrets(): Map<string, Secret> {
  const names = ['todo_db_password', 'todo_secret_key', 'report_token'];
  return new Map(names.map((name) => [name, new Secret(randomBytes(24).toString('base64url'))]));
}

function imageOption(image: string | undefined): Pick<StartOptions, 'image'> {
  return image === undefined ? {} : { image };
}

/** Blank hosts but for the packages of the role `base`, which are most of what a first run installs. */
export function baseImage(): Promise<string> {
  return deploymentTree().then((files) => {
    const role = files.get('roles/base.yaml');
    const text = role?.type === 'file' ? role.content.toString() : '';
    const { packages }: { readonly packages: unknown } = parse(text);
    return bakedImage({
      name: 'deployment-base',
      inputs: [JSON.stringify(packages)],
      async prepare(host) {
        const agent = await AgentOnHost.install(host);
        await agent.writeManifest({ packages });
        await mustConverge(agent);
      },
    });
  });
}

/**
 * Images of both hosts as a run from blank leaves them. Other addresses and secrets than those that they were baked
 * with are a matter of seconds for the next run.
 */
export async function convergedImages(): Promise<{ readonly db: string; readonly web: string }> {
  const inputs = [JSON.stringify([...(await deploymentTree())])];
  const from = await baseImage();
  const db = await bakedImage({ name: 'deployment-db', inputs, from, prepare: convergeDatabase });
  const web = await bakedImage({
    name: 'deployment-web',
    inputs: [...inputs, db],
    from,
    async prepare(host) {
      await prepareTools(host);
      await using database = await startHost({ name: 'db-1', image: db });
      const deployment = await deploymentOn({ db: database, web: host, extras: false });
      await using _application = deployment.application;
      await using _git = { [Symbol.asyncDispose]: () => deployment.git.close() };
      await deployment.converge();
    },
  });
  return { db, web };
}

/** Before there is a web host. */
async function convergeDatabase(host: Host): Promise<void> {
  const agent = await AgentOnHost.install(host);
  const { gatewayAddress } = await sharedNetwork();
  const { db } = await compileDeployment(
    { db: host.address, web: gatewayAddress, repository: 'git://192.0.2.1/none.git', extras: false },
    { revision: 'bake', secrets: randomSecrets() },
  );
  await host.writeFile(MANIFEST, db, '0600');
  await mustConverge(agent);
}
