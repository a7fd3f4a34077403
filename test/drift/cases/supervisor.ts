import { BY_HAND, type Case } from '../case.ts';

const FILE = '/etc/supervisor/conf.d/reporter.conf';
const RUNS = `supervisorctl status reporter | grep -q RUNNING
test "$(stat -c %a ${FILE})" = 600
PID=$(supervisorctl pid reporter)
grep -qz '^REPORT_TOKEN=' /proc/$PID/environ; ! grep -qz '${BY_HAND}' /proc/$PID/environ`;

function reporter(name: string, by: string, says: RegExp, more: Partial<Case> = {}): Case {
  return { name, on: 'web', by, resource: 'supervisor/supervisor', says, healed: RUNS, ...more };
}

export const supervisor: readonly Case[] = [
  reporter('a program is stopped', 'supervisorctl stop reporter >/dev/null', /^start reporter \(is STOPPED\)$/, {
    hazard: 'none',
  }),
  reporter(
    'a program is edited and runs with it',
    `sed -i 's/^environment=.*/environment=REPORT_TOKEN="${BY_HAND}"/' ${FILE}; supervisorctl update reporter >/dev/null`,
    /^rewrite reporter\.conf; run reporter with its new configuration$/,
    {
      hazard: 'restart',
    },
  ),
  reporter(
    'a program runs with an environment that was put back since',
    `cp -p ${FILE} /root/reporter; sed -i 's/^environment=.*/environment=REPORT_TOKEN="${BY_HAND}"/' ${FILE}
    supervisorctl update reporter >/dev/null; cat /root/reporter >${FILE}; rm /root/reporter`,
    /^run reporter with its new configuration$/,
    { hazard: 'restart' },
  ),
  reporter(
    "a program's file is removed and the program with it",
    `rm ${FILE}; supervisorctl update reporter >/dev/null`,
    /^create reporter\.conf; run reporter/,
  ),
  reporter(
    "a program's file with a secret is readable by all",
    `chmod 0644 ${FILE}`,
    /^set mode 0600 of reporter\.conf \(is 0644\)$/,
  ),
];
