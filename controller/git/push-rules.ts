import { isPreview } from './hosted-repository.ts';

/** A ref that a push wants to move; `undefined` for one that is new, or that is to go away. */
export interface RefUpdate {
  readonly old: string | undefined;
  readonly new: string | undefined;
  readonly ref: string;
}

export type Asked =
  | { readonly type: 'deploy'; readonly old: string | undefined; readonly revision: string }
  | { readonly type: 'preview'; readonly ref: string; readonly revision: string; readonly name: string }
  | { readonly type: 'refused'; readonly why: string };

/** `<old> <new> <ref>` per line, as git tells its hooks; zeros stand for nothing. Throws where it is something else. */
export function parseUpdates(input: string): readonly RefUpdate[] {
  const lines = input.split('\n').filter((line) => line !== '');
  return lines.map((line) => {
    const match = /^([0-9a-f]{40,64}) ([0-9a-f]{40,64}) (refs\/.+)$/.exec(line);
    if (match === null) throw new Error('git told a hook something else than "<old> <new> <ref>"');
    const [, before = '', after = '', ref = ''] = match;
    return { old: orNothing(before), new: orNothing(after), ref };
  });
}

function orNothing(object: string): string | undefined {
  return /^0+$/.test(object) ? undefined : object;
}

/** What a push asks for: the branch that is served, or a preview, and of these one. Pure. */
export function judge(updates: readonly RefUpdate[], branch: string): Asked {
  const [update, ...others] = updates;
  if (update === undefined) return { type: 'refused', why: 'the push moves nothing' };
  const wanted = `git push origin HEAD:${branch}, or HEAD:preview/NAME to see what it would do`;
  if (others.length > 0) return { type: 'refused', why: `one branch at a time, not ${updates.length}: ${wanted}` };
  const { ref, old, new: revision } = update;
  if (isPreview(ref)) {
    if (revision === undefined) return { type: 'refused', why: 'previews are not kept: there is nothing to delete' };
    return { type: 'preview', ref, revision, name: ref.replace(/^refs\/(?:heads\/)?preview\//, '') };
  }
  if (ref !== `refs/heads/${branch}`) {
    return { type: 'refused', why: `"${shortRef(ref)}" is not served, only "${branch}" is: ${wanted}` };
  }
  if (revision === undefined) {
    return { type: 'refused', why: `"${branch}" is what the hosts follow: it cannot be deleted` };
  }
  return { type: 'deploy', old, revision };
}

function shortRef(ref: string): string {
  return ref.replace(/^refs\/(?:heads|tags)\//, '');
}
