/** What must hold after a kill and after the run that follows it. */
import assert from 'node:assert/strict';
import { type AgentOnHost, differences } from '../conformance/agent-on-host.ts';
import type { Host } from '../hosts/host.ts';
import type { Snapshot } from '../hosts/snapshot.ts';

/** Files that the agent writes, and nobody else. */
const MANAGED =
  /^\/(?:etc\/(?:nginx|supervisor\/conf\.d|postgresql|tmpfiles\.d|systemd\/system|drift\.d|drift\.conf|fstab|apt\/(?:keyrings|sources\.list\.d))|srv\/reports|srv\/todo\/(?:static\/)?current|run\/todo\/gunicorn\.sock)(?:\/|$)/;

/** A file that stands in its place is the one from before or the one from after: never a part, never a mixture. */
export function assertNothingHalfWritten(
  { before, killed, after }: { readonly before: Snapshot; readonly killed: Snapshot; readonly after: Snapshot },
  except: RegExp = /^$/,
): void {
  const paths = new Set([...Object.keys(before.files), ...Object.keys(after.files)]);
  const odd = [...paths]
    .filter((path) => MANAGED.test(path) && !except.test(path))
    .filter((path) => {
      const found = killed.files[path];
      if (found === undefined || found.type === 'folder') return false;
      return [before, after].every(({ files }) => files[path]?.content !== found.content);
    });
  assert.deepEqual(odd, [], 'files that are neither as before nor as after');
}

/** State of the agent's own, and pairs that are drawn anew: readable whatever moment it was. */
const READABLE = `
for file in /var/lib/holdfast/*.json /var/lib/holdfast/releases/*/ledger.json; do
  [ ! -e "$file" ] || python3 -m json.tool "$file" >/dev/null
done
for file in /etc/ssl/holdfast/*.crt; do [ ! -e "$file" ] || openssl x509 -in "$file" -noout; done
for file in /etc/ssl/holdfast/*.key; do [ ! -e "$file" ] || openssl pkey -in "$file" -noout; done`;

export async function assertStateIsReadable(host: Host): Promise<void> {
  await host.sh(READABLE);
}

/** No retry, no waiting for a lock: the next run, at once, is the one that has to do it. */
export async function assertNextRunConverges(agent: AgentOnHost): Promise<void> {
  const { code, result, stderr } = await agent.run('--wait', '0s');
  const left = result.resources.filter(({ status }) => status !== 'changed' && status !== 'converged');
  assert.equal(code, 0, `${stderr}${differences({ ...result, resources: left }).join('\n')}`);
  const plan = await agent.plan();
  assert.deepEqual(differences(plan.result), []);
  assert.equal(plan.code, 0, plan.stderr);
}

const LEFTOVERS = `
find / -xdev \\( -path /proc -o -path /sys \\) -prune -o \\
  \\( -name '.holdfast-*' -a ! -name .holdfast-test -o -name '.*.holdfast' -o -name '*.holdfast' -o -path '/var/lib/holdfast/*.tmp' \\) -print
find /run -xdev -name '*holdfast*' ! -path '/run/holdfast' ! -path '/run/systemd/*' -print
lslocks --noheadings --output PATH | grep holdfast || true`;

/** Temporary files, mounts and locks; the small disks are the tests' own. */
export async function assertNothingIsLeft(host: Host): Promise<void> {
  assert.equal(await host.sh(LEFTOVERS), '');
  assert.equal(
    await host.sh(
      "grep holdfast /proc/mounts | grep -v ' /.holdfast-test\\|/usr/lib/holdfast/node \\|^holdfast-small-disk ' || true",
    ),
    '',
  );
}
