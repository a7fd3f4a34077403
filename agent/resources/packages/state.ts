import type { SpecOf } from '../../../desired-state/schema/kinds.ts';
import type { Candidate, InstalledPackage } from '../../host/packages/port.ts';

export type PackagesSpec = SpecOf['packages'];
export type Declared = PackagesSpec['packages'][string];

/** One declared package beside what the host has. */
export interface Compared {
  readonly name: string;
  readonly declared: Declared;
  /** By its own name; also where only the configuration is left. */
  readonly installed: InstalledPackage | undefined;
  /** Another package that is installed provides the name. */
  readonly provider: string | undefined;
  readonly automatic: boolean;
  /** Asked for only where the installed version does not settle the matter; `'unknown'` where apt knows no such name. */
  readonly candidate: Candidate | 'unknown' | undefined;
}

export interface PackagesState {
  readonly packages: readonly Compared[];
  readonly interrupted: boolean;
  /** Age of the lists, where they are older than a `latest` allows and it was not tried lately; else `undefined`. */
  readonly refreshDue_ms: number | undefined;
}

export type Step =
  /** Finishes what an interrupted dpkg left half done. */
  | { readonly do: 'repair' }
  | { readonly do: 'refresh'; readonly age_ms: number }
  | {
      readonly do: 'install' | 'upgrade' | 'downgrade';
      readonly name: string;
      readonly from: string | undefined;
      /** `undefined`: what apt chooses (a virtual package). */
      readonly to: string | undefined;
      readonly recommends: boolean | undefined;
    }
  | { readonly do: 'remove'; readonly name: string; readonly from: string }
  | { readonly do: 'purge'; readonly name: string }
  | { readonly do: 'hold' | 'unhold' | 'mark manual'; readonly name: string }
  /** The lists have no answer; fetching them anew may have one. */
  | { readonly do: 'find'; readonly name: string; readonly reason: string }
  | { readonly do: 'refuse'; readonly name: string; readonly reason: string };

export type InstallStep = Extract<Step, { do: 'install' | 'upgrade' | 'downgrade' }>;

export interface PackagesChange {
  readonly spec: PackagesSpec;
  readonly steps: readonly Step[];
}
