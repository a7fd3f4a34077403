import type { PostgresSpec } from '../../../desired-state/schema/postgres.ts';
import type { MaybeSecret } from '../../../desired-state/schema/secret.ts';
import type { Cluster, Configuration, Statement } from '../../host/postgres/port.ts';
import type { Hazard } from '../../resource.ts';
import type { FileEdit } from './config-edit.ts';
import type { ClusterFacts, ContentFacts, RoleFact } from './facts.ts';

export type Spec = PostgresSpec & { readonly name: string };

export interface HbaFile {
  readonly path: string;
  /** `undefined` where there is none. */
  readonly text: string | undefined;
  /** Owner postgres and not readable by all. */
  readonly guarded: boolean;
  readonly changed_ms: number;
  /** What stood there before a change that was not finished. */
  readonly previous: string | undefined;
}

export type ServerFacts = Omit<ClusterFacts, 'roles'> & {
  readonly state: 'ready';
  readonly roles: readonly RoleFact[];
  /** Of the declared databases that are there and can be entered. */
  readonly contents: ReadonlyMap<string, ContentFacts>;
  /** What `locale -a` says; looked for only when a database with a locale is to be made. */
  readonly locales: readonly string[];
};

export type ServerState = ServerFacts | { readonly state: 'down' | 'starting' | 'refused'; readonly reason: string };

export type State =
  /** No cluster that fits; `creatable` where a server is installed that could get one. */
  | {
      readonly found: 'none';
      readonly why: string;
      readonly creatable?: { readonly version: string; readonly name: string };
    }
  /** More than one, or not the one that is asked for. */
  | { readonly found: 'unclear'; readonly why: string }
  | {
      readonly found: 'one';
      readonly cluster: Cluster;
      readonly configuration: Configuration;
      readonly hba: HbaFile;
      readonly server: ServerState;
    };

export type Change =
  /** What cannot or must not be done. `stalled`: a retry does not help. */
  | { readonly type: 'refused'; readonly summary: string; readonly message: string; readonly stalled: boolean }
  | { readonly type: 'createCluster'; readonly version: string; readonly name: string }
  | {
      readonly type: 'settings';
      readonly cluster: Cluster;
      readonly names: readonly string[];
      readonly edits: readonly FileEdit[];
      readonly configuration: Configuration;
      readonly action: 'nothing' | 'reload' | 'restart';
    }
  | {
      readonly type: 'hba';
      readonly cluster: Cluster;
      readonly path: string;
      readonly before: string | undefined;
      readonly previous: string | undefined;
      readonly after: string;
      /** The server can be asked whether it understands the file. */
      readonly running: boolean;
    }
  | { readonly type: 'reload'; readonly cluster: Cluster; readonly why: string }
  | { readonly type: 'start'; readonly cluster: Cluster; readonly hba: HbaFile; readonly starting: boolean }
  /** Observes again and goes on: what only a running server can tell. */
  | { readonly type: 'continue'; readonly spec: Spec }
  | { readonly type: 'locale'; readonly locale: string }
  | {
      readonly type: 'password';
      readonly cluster: Cluster;
      readonly role: string;
      readonly password: MaybeSecret | null;
      readonly why: string;
    }
  | {
      readonly type: 'sql';
      readonly cluster: Cluster;
      readonly database: string;
      readonly statements: readonly Statement[];
      readonly summary: string;
      readonly hazard: Hazard;
    };
