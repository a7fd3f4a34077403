/** Real package repositories on a test host: built by dpkg-deb, signed by gpg, read by apt over `file:`. */
import type { Host } from '../hosts/host.ts';

export interface TestPackage {
  readonly name: string;
  readonly version: string;
  /** Further control fields, such as `{ Depends: 'a (>= 1)' }`. */
  readonly fields?: Readonly<Record<string, string>>;
  /** Content of `/etc/NAME.conf`, a configuration file that dpkg keeps when it was edited. */
  readonly conffile?: string;
  /** Has a service `NAME` that it starts when it is installed, as debhelper's packages do. */
  readonly daemon?: boolean;
}

const ROOT = '/srv/apt';

/** gpg from the image's package cache: no network. */
export const INSTALL_GPG = 'apt-get install -qq --no-install-recommends --no-download gpg gpg-agent >/dev/null 2>&1';

export function repositoryUri(name: string): string {
  return `file:${ROOT}/${name}`;
}

export function debPath(repository: string, { name, version }: TestPackage): string {
  return `${ROOT}/${repository}/${name}_${version}_all.deb`;
}

/** Makes a signing key. Resolves to the public key as text. */
export async function makeKey(host: Host, id: string): Promise<string> {
  await host.sh(`gpg --batch --quiet --passphrase '' --quick-gen-key ${id} ed25519 sign never 2>/dev/null`);
  return host.sh(`gpg --armor --export ${id}`);
}

/** Adds packages to a repository and signs its index anew with the key `keyId`. */
export async function publish(
  host: Host,
  repository: string,
  keyId: string,
  packages: readonly TestPackage[],
): Promise<void> {
  for (const one of packages) await build(host, repository, one);
  await host.sh(`cd ${ROOT}/${repository}
    for deb in *.deb; do
      dpkg-deb --field "$deb"
      printf 'Filename: ./%s\\nSize: %s\\nSHA256: %s\\n\\n' "$deb" "$(stat -c %s "$deb")" "$(sha256sum "$deb" | cut -d' ' -f1)"
    done >Packages
    { printf 'Origin: test\\nDate: %s\\nSHA256:\\n' "$(date -Ru)"
      printf ' %s %s Packages\\n' "$(sha256sum Packages | cut -d' ' -f1)" "$(stat -c %s Packages)"; } >Release
    gpg --batch --yes --quiet --local-user ${keyId} --clearsign --output InRelease Release`);
}

async function build(host: Host, repository: string, one: TestPackage): Promise<void> {
  const { name, version, fields = {}, conffile, daemon = false } = one;
  const folder = `/tmp/build/${name}`;
  const control = {
    Package: name,
    Version: version,
    Architecture: 'all',
    Maintainer: 'Test <test@example.org>',
    Description: 'a package of the tests',
    ...fields,
  };
  await host.sh(`rm -rf ${folder}; mkdir -p ${folder}/DEBIAN ${ROOT}/${repository}`);
  await host.writeFile(
    `${folder}/DEBIAN/control`,
    Object.entries(control)
      .map(([key, value]) => `${key}: ${value}\n`)
      .join(''),
  );
  if (conffile !== undefined) {
    await host.writeFile(`${folder}/etc/${name}.conf`, conffile);
    await host.writeFile(`${folder}/DEBIAN/conffiles`, `/etc/${name}.conf\n`);
  }
  if (daemon) {
    await host.writeFile(
      `${folder}/lib/systemd/system/${name}.service`,
      '[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n',
    );
    const start = `systemctl daemon-reload\nsystemctl -q enable ${name}\ndeb-systemd-invoke start ${name}.service >/dev/null || true\n`;
    await host.writeFile(`${folder}/DEBIAN/postinst`, `#!/bin/sh\nset -e\n${start}`, '0755');
  }
  await host.sh(`dpkg-deb --root-owner-group --build ${folder} ${debPath(repository, one)} >/dev/null`);
}
