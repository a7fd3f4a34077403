import type { HostPlan, PlannedChange } from './ports.ts';

/** Hosts named in one line; the others are counted. */
const SHOWN_HOSTS = 8;
/** More than this is read in a file, not in a terminal. */
const MOST_DIFF_LINES = 2000;

/** How the resources of a kind are counted; a kind that is one resource per host is only named. */
const NOUNS: Readonly<Record<string, readonly [one: string, many: string]>> = {
  files: ['file', 'files'],
  directories: ['directory', 'directories'],
  symlinks: ['symlink', 'symlinks'],
  users: ['user', 'users'],
  groups: ['group', 'groups'],
  services: ['service', 'services'],
  releases: ['release', 'releases'],
  certificates: ['certificate', 'certificates'],
};

/**
 * What a revision touches, one line per host, hosts with the same line together, those with nothing last:
 * `web-1: 2 files, 1 nginx reload, no restart`. Pure.
 */
export function planLines(plans: readonly HostPlan[]): readonly string[] {
  const groups = new Map<string, string[]>();
  for (const plan of plans) {
    const text = blastRadius(plan);
    groups.set(text, [...(groups.get(text) ?? []), plan.host]);
  }
  const nothing = groups.get(NOTHING);
  groups.delete(NOTHING);
  if (nothing !== undefined) groups.set(NOTHING, nothing);
  return [...groups].map(([text, hosts]) => `${some(hosts)}: ${text}`);
}

const NOTHING = 'nothing';

/** `2 files, 1 nginx reload, no restart` */
export function blastRadius({ changes, note }: HostPlan): string {
  const parts = changes.length === 0 ? [note === undefined ? NOTHING : 'not known'] : countsOf(changes);
  return note === undefined ? parts.join(', ') : `${parts.join(', ')} (${note})`;
}

function countsOf(changes: readonly PlannedChange[]): readonly string[] {
  const worst = new Map<string, { readonly kind: string; readonly hazard: PlannedChange['hazard'] }>();
  for (const { kind, name, hazard } of changes) {
    const key = `${kind}/${name}`;
    const known = worst.get(key);
    if (known === undefined || RANK[hazard] > RANK[known.hazard]) worst.set(key, { kind, hazard });
  }
  const counts = new Map<string, number>();
  for (const { kind, hazard } of worst.values()) {
    const key = `${kind} ${hazard}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const parts = [...counts].map(([key, count]) => {
    const [kind = '', hazard = ''] = key.split(' ');
    return partOf(kind, hazard, count);
  });
  return [...parts, ...(changes.some(({ hazard }) => RANK[hazard] >= RANK.restart) ? [] : ['no restart'])];
}

const RANK = { none: 0, reload: 1, restart: 2, destructive: 3 } as const;

function partOf(kind: string, hazard: string, count: number): string {
  const noun = NOUNS[kind];
  const word = noun === undefined ? kind : noun[hazard === 'none' || hazard === 'destructive' ? many(count) : 0];
  switch (hazard) {
    case 'reload':
    case 'restart':
      return `${count} ${word} ${count === 1 ? hazard : `${hazard}s`}`;
    case 'destructive':
      return `${noun === undefined ? '' : `${count} `}${word} REMOVED OR REPLACED`;
    default:
      return noun === undefined ? kind : `${count} ${word}`;
  }
}

function many(count: number): 0 | 1 {
  return count === 1 ? 0 : 1;
}

/** Everything that the hosts said of their changes, with the diffs. Pure. */
export function diffLines(plans: readonly HostPlan[]): readonly string[] {
  const lines = plans
    .filter(({ changes }) => changes.length > 0)
    .flatMap(({ host, changes }) => changes.flatMap((change) => changeLines(host, change)));
  if (lines.length <= MOST_DIFF_LINES) return lines;
  return [...lines.slice(0, MOST_DIFF_LINES), `… and ${lines.length - MOST_DIFF_LINES} more lines`];
}

function changeLines(host: string, { kind, name, summary, diff, hazard }: PlannedChange): readonly string[] {
  const cost = hazard === 'none' ? '' : ` [${hazard}]`;
  const [first = '', ...more] = summary.split('\n');
  const head = [`${host}: ${kind}/${name}: ${first}${cost}`, ...more.map((line) => `  ${line}`)];
  if (diff === undefined || diff === '') return head;
  return [
    ...head,
    ...diff
      .replace(/\n$/, '')
      .split('\n')
      .map((line) => `  ${line}`),
  ];
}

/** `web-1, web-2 and 40 more` */
export function some(hosts: readonly string[]): string {
  const shown = hosts.slice(0, SHOWN_HOSTS).join(', ');
  return hosts.length <= SHOWN_HOSTS ? shown : `${shown} and ${hosts.length - SHOWN_HOSTS} more`;
}
