/** What Ansible in check mode would change on a host: a second opinion on whether it is as declared. */
import type { Host } from '../../test/hosts/host.ts';

const CHECK_TIMEOUT_MS = 600_000;

interface Printed {
  readonly plays: readonly {
    readonly tasks: readonly {
      readonly task: { readonly name: string };
      readonly hosts: Readonly<
        Record<
          string,
          { readonly changed?: boolean; readonly failed?: boolean; readonly msg?: unknown; readonly diff?: unknown }
        >
      >;
    }[];
  }[];
}

/** Names of tasks that would change something, or could not tell, each with its difference. */
export async function ansibleWouldChange(
  host: Host,
  variables: readonly string[] = [],
): Promise<ReadonlyMap<string, string>> {
  const argv = ['ansible-playbook', 'site.yml', '--check', '--diff', ...variables.flatMap((one) => ['-e', one])];
  const { stdout, stderr } = await host.exec(argv, {
    cwd: '/opt/peers/ansible',
    env: { ANSIBLE_STDOUT_CALLBACK: 'json', ANSIBLE_PIPELINING: 'true', LANG: 'C.UTF-8' },
    timeout_ms: CHECK_TIMEOUT_MS,
  });
  const start = stdout.indexOf('{');
  if (start < 0) throw new Error(`ansible-playbook printed no JSON:\n${stdout}${stderr}`);
  const { plays }: Printed = JSON.parse(stdout.slice(start));
  const results = plays.flatMap(({ tasks }) =>
    tasks.flatMap(({ task, hosts }) => Object.values(hosts).map((result) => ({ name: task.name, result }))),
  );
  if (results.length === 0) throw new Error(`ansible-playbook ran no task:\n${stdout}${stderr}`);
  return new Map(
    results
      .filter(({ result }) => result.changed === true || result.failed === true)
      .map(({ name, result }) => [name, JSON.stringify(result.msg ?? result.diff ?? result)]),
  );
}
