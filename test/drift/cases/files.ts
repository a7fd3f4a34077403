import { BY_HAND, type Case } from '../case.ts';
import { SWAP_FILE } from '../swap-file.ts';

const CONF = '/etc/drift.conf';
const CONF_IS_RIGHT = `test "$(cat ${CONF}; stat -c '%F %a %U' ${CONF})" = "$(printf 'answer = 42\\nregular file 644 root')"`;

function conf(name: string, by: string, says: RegExp, more: Partial<Case> = {}): Case {
  return { name, on: 'web', by, resource: `files/${CONF}`, says, healed: CONF_IS_RIGHT, ...more };
}

export const files: readonly Case[] = [
  conf('a file is edited', `echo 'answer = 43' >${CONF}`, /^write 1 line$/, { hazard: 'none' }),
  conf('a file gets Windows line ends and no last one', `printf 'answer = 42\\r' >${CONF}`, /^write 1 line$/),
  conf(
    'a file gets another mode and owner',
    `chmod 0666 ${CONF}; chown todo ${CONF}`,
    /^set owner root \(is uid \d+\), mode 0644 \(is 0666\)$/,
  ),
  conf(
    'a file is replaced by a symlink to a file of the system',
    `cp /etc/hostname /root/precious; ln -sf /root/precious ${CONF}`,
    /^write 1 line.*symlink/,
    {
      healed: `${CONF_IS_RIGHT}; cmp /root/precious /etc/hostname`,
    },
  ),
  conf('a file is replaced by an empty directory', `rm ${CONF}; mkdir ${CONF}`, /^write 1 line.*directory/, {
    hazard: 'destructive',
  }),
  conf('a file is replaced by a FIFO', `rm ${CONF}; mkfifo ${CONF}`, /^write 1 line.*FIFO/),
  {
    name: 'a file with a secret is edited',
    on: 'web',
    by: `chmod 0600 /srv/reports/token; echo ${BY_HAND} >/srv/reports/token`,
    resource: 'files//srv/reports/token',
    says: /^write 1 line, mode 0400 \(is 0600\)$/,
    healed: `test "$(stat -c '%a %U %G' /srv/reports/token)" = '400 todo webapps'; ! grep -q ${BY_HAND} /srv/reports/token`,
  },
  {
    name: 'a file that shall not be there is made',
    on: 'web',
    by: 'echo back >/etc/drift.absent',
    resource: 'files//etc/drift.absent',
    says: /^remove a file$/,
    hazard: 'destructive',
    healed: 'test ! -e /etc/drift.absent',
  },
  {
    name: 'the page for errors is removed',
    on: 'web',
    by: 'rm /var/www/todo/error.html',
    resource: 'files//var/www/todo/error.html',
    says: /^write \d+ lines, root:root 0644$/,
    healed: 'grep -q "</html>" /var/www/todo/error.html',
  },
];

export const directories: readonly Case[] = [
  {
    name: 'a directory gets another mode and owner',
    on: 'web',
    by: 'chown root:root /srv/reports; chmod 0777 /srv/reports',
    resource: 'directories//srv/reports',
    says: /^set owner todo \(is uid 0\), group webapps \(is gid 0\), mode 2750 \(is 2?777\)$/,
    healed: 'test "$(stat -c "%a %U %G" /srv/reports)" = "2750 todo webapps"',
  },
  {
    name: 'a directory with files of its own is removed',
    on: 'web',
    by: 'rm -r /var/www/todo',
    resource: 'directories//var/www/todo',
    says: /^make the directory, root:root 0755$/,
    also: [
      { resource: 'files//var/www/todo/error.html', says: /^write / },
      { resource: 'files//var/www/todo/maintenance.html', says: /^write / },
    ],
    touches: ['directories//var/www/todo', 'files//var/www/todo/error.html'],
    healed: 'test -s /var/www/todo/maintenance.html',
  },
  {
    name: 'a file nobody declared lies in a directory that is owned as a whole',
    on: 'web',
    by: 'touch /etc/drift.d/stray.conf',
    resource: 'directories//etc/drift.d',
    says: /^remove what nobody declared: stray.conf$/,
    hazard: 'destructive',
    healed: 'test "$(ls /etc/drift.d)" = kept.conf',
  },
];

const LINK = '/usr/local/bin/todo-python';
const LINK_IS_RIGHT = `test "$(readlink ${LINK})" = /srv/todo/current`;

export const symlinks: readonly Case[] = [
  {
    name: 'a symlink points elsewhere',
    on: 'web',
    by: `ln -sfn /tmp ${LINK}`,
    resource: `symlinks/${LINK}`,
    says: /^point to \/srv\/todo\/current \(is a symlink to \/tmp\)$/,
    healed: LINK_IS_RIGHT,
  },
  {
    name: 'a symlink is removed',
    on: 'web',
    by: `rm ${LINK}`,
    resource: `symlinks/${LINK}`,
    says: /^point to \/srv\/todo\/current$/,
    healed: LINK_IS_RIGHT,
  },
];

export const swap: readonly Case[] = [
  {
    name: 'swap is turned off and its line in fstab is gone',
    on: 'web',
    by: `swapoff ${SWAP_FILE}; sed -i '\\#${SWAP_FILE}#d' /etc/fstab`,
    resource: `swap/${SWAP_FILE}`,
    says: /^turn on$/,
    also: [{ resource: `swap/${SWAP_FILE}`, says: /^write \/etc\/fstab$/ }],
    healed: `grep -q '^${SWAP_FILE} ' /proc/swaps; grep -q '^${SWAP_FILE} ' /etc/fstab`,
  },
  {
    name: 'everybody can read the swap file',
    on: 'web',
    by: `chmod 0644 ${SWAP_FILE}`,
    resource: `swap/${SWAP_FILE}`,
    says: /^set mode 0600 \(is 0644\)$/,
    healed: `test "$(stat -c %a ${SWAP_FILE})" = 600`,
  },
];
