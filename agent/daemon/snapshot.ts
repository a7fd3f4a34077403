import type { Manifest } from '../../desired-state/schema/manifest.ts';
import type { PauseState } from '../../desired-state/schema/report.ts';
import type { ControllerView } from './follow.ts';
import type { AgentStatus } from './status.ts';

/** How the agent is at one moment: what its status, its reports and its service checks are made from. */
export interface Snapshot {
  readonly host: string;
  readonly agentVersion: string;
  readonly verdict: AgentStatus['verdict'];
  readonly manifest: Manifest | undefined;
  /** Another manifest waits for the end of the run under way. */
  readonly isOffered: boolean;
  readonly controller: ControllerView;
  /** When the controller last confirmed that what runs is what is wanted. */
  readonly confirmed_ms: number | undefined;
  readonly pause: PauseState | undefined;
}

/** What runs, what is wanted, and why they differ. */
export function revisionsOf({ manifest, isOffered, controller }: Snapshot): AgentStatus['revision'] {
  const { offered, refused, withheld, state, error } = controller;
  const own = manifest?.revision;
  // What is offered and not refused has been taken, or means the same for this host.
  const running = own !== undefined && !isOffered && refused === undefined ? (offered?.revision ?? own) : own;
  const wanted = withheld?.revision ?? offered?.revision ?? running;
  const why =
    withheld?.reason ??
    refused?.reason ??
    (running === undefined && state === 'away'
      ? `no manifest yet, and the controller is away: ${error ?? ''}`
      : undefined) ??
    (wanted === running ? undefined : 'the offered revision is being taken');
  return {
    ...(running === undefined ? {} : { running }),
    ...(wanted === undefined ? {} : { wanted }),
    ...(why === undefined ? {} : { whyDifferent: why }),
  };
}
