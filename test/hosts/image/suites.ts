/** What a host image of each Debian suite holds. Package names differ between suites; the rest of the build does not. */

export type Suite = 'bullseye' | 'bookworm' | 'trixie';

export interface SuiteContents {
  /** Version of the suite's Python, for which wheels are fetched. */
  readonly python: string;
  /** Newest glibc minor version that wheels may ask for (`manylinux_2_<minor>`). */
  readonly glibc_minor: number;
  /** Packages in the apt cache, with what they depend on and recommend. */
  readonly cache: readonly string[];
  /** Packages in the apt cache that exclude each other or a member of `cache`. */
  readonly rivals: readonly string[];
}

/** Installed in the image: what a cloud image of Debian has, less what only a machine of its own can use. */
export const INSTALLED: readonly string[] = [
  ['systemd', 'systemd-sysv', 'ca-certificates', 'curl', 'iproute2', 'iputils-ping', 'less', 'locales'],
  ['netbase', 'procps', 'sudo', 'tzdata'],
].flat();

const CACHE: readonly string[] = [
  ['acl', 'bash', 'build-essential', 'cron', 'dbus', 'git', 'gnupg', 'htop', 'jq', 'libpq-dev', 'libssl-dev'],
  ['logrotate', 'needrestart', 'nftables', 'nginx', 'openssl', 'rsync', 'unattended-upgrades'],
  ['gunicorn', 'python3', 'python3-dev', 'python3-django', 'python3-pip', 'python3-psycopg2', 'python3-venv'],
  // Needed by python3-asgiref only where no newer Python provides it: left out of the set, asked for by a lone install.
  ['python3-typing-extensions'],
  ['pgbouncer', 'postgresql', 'postgresql-contrib', 'supervisor'],
  // Small ones for tests of holds, pins, virtual packages and alternatives.
  ['cowsay', 'gawk', 'original-awk', 'sl'],
].flat();

const RIVALS: readonly string[] = ['chrony', 'ntpsec', 'systemd-timesyncd', 'exim4-daemon-light', 'postfix'];

export const SUITES: Readonly<Record<Suite, SuiteContents>> = {
  bullseye: {
    python: '3.9',
    glibc_minor: 31,
    cache: [...CACHE, 'ntp', 'libssl1.1'],
    rivals: RIVALS.filter((name) => name !== 'ntpsec'),
  },
  bookworm: { python: '3.11', glibc_minor: 36, cache: [...CACHE, 'ntp', 'libssl3'], rivals: RIVALS },
  trixie: { python: '3.13', glibc_minor: 41, cache: [...CACHE, 'libssl3t64'], rivals: RIVALS },
};

export function isSuite(name: string): name is Suite {
  return Object.hasOwn(SUITES, name);
}

/** The plain Debian sources of a suite: the text of its `/etc/apt/sources.list`, without a final newline. */
export function sourcesOf(suite: Suite): string {
  return [
    `deb http://deb.debian.org/debian ${suite} main`,
    `deb http://deb.debian.org/debian ${suite}-updates main`,
    `deb http://deb.debian.org/debian-security ${suite}-security main`,
  ].join('\n');
}
