import type { FastifyRequest } from 'fastify';
import { Problem } from '../problem.ts';
import type { OperatorRole } from '../store/tables.ts';

/** Who may use a route: every route says it as `config: { access }`, and one that does not keeps the controller from starting. */
export type Access = 'anyone' | 'host' | OperatorRole;

/** Who makes a request, as far as the access of its route asks. */
export type Principal =
  | { readonly kind: 'anonymous' }
  /** An agent, by its certificate. */
  | { readonly kind: 'host'; readonly host: string; readonly fingerprint: string }
  /** A person or a program of theirs, by a token. */
  | { readonly kind: 'operator'; readonly id: string; readonly name: string; readonly role: OperatorRole };

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access;
    /** Its clients ask without a token first, as git does, to be told that one is wanted: that is no failed attempt. */
    challenges?: true;
    /** How long the body may take to arrive; 15 s unless told. */
    bodyWithin_ms?: number;
  }
  interface FastifyRequest {
    principal: Principal;
  }
}

/** As the audit log names who did something. */
export function actorOf(principal: Principal): string {
  if (principal.kind === 'host') return `host:${principal.host}`;
  return principal.kind === 'operator' ? `token:${principal.name}` : 'anonymous';
}

/** For routes whose access is a role: the type knows nothing of that. */
export function operatorOf({ principal }: FastifyRequest): Extract<Principal, { readonly kind: 'operator' }> {
  if (principal.kind === 'operator') return principal;
  throw new Problem({ status: 403, title: 'Forbidden', detail: 'this is for operators' });
}

const RANK: Readonly<Record<OperatorRole, number>> = { read: 0, deploy: 1, admin: 2 };

export function mayDo(role: OperatorRole, wanted: OperatorRole): boolean {
  return RANK[role] >= RANK[wanted];
}
