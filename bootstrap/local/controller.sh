#!/bin/sh
# Makes a Debian or Ubuntu machine the controller of local hosts or of Vagrant's: the package, its keys and options, and a git
# daemon for the application's repository. POSIX sh, as root. Running it again with the same files changes nothing.
#
#   controller.sh FOLDER [SEED OWNER]
#
# FOLDER holds controller.deb, controller.deb.sha256, secrets.yaml, admin.token, ca.crt, ca.key.
# The application's repository is /srv/git/todomvc.git: mounted there, or copied once from SEED, a folder that holds it, and
# then owned by OWNER, who may push to it over ssh. The desired state is pushed to the controller.
set -eu
here=$(dirname "$0")
from=$1
seed=${2:-}
owner=${3:-root}
config=/etc/holdfast-controller
changed=''
fail() { printf 'holdfast: %s\n' "$*" >&2; exit 1; }

[ "$(id -u)" -eq 0 ] || fail 'run this as root'
[ -d /run/systemd/system ] || fail 'systemd is not the first process of this machine, and it has to be'

# put SOURCE PATH OWNER MODE: by a rename, where it differs.
put() {
  if [ -f "$2" ] && cmp -s "$1" "$2"; then return 0; fi
  install -D -o "$3" -g "$3" -m "$4" "$1" "$2.new"
  mv -f "$2.new" "$2"
  changed=yes
}

install_package() {
  (cd "$from" && printf '%s  controller.deb\n' "$(cut -d ' ' -f 1 controller.deb.sha256)" | sha256sum --check --quiet) ||
    fail "the checksum of $from/controller.deb is wrong: copy it again"
  version=$(dpkg-deb --field "$from/controller.deb" Version)
  [ "$(dpkg-query --show --showformat '${Version}' holdfast-controller 2>/dev/null || true)" != "$version" ] || return 0
  changed=yes
  # apt lets an unprivileged user read the package, who may not enter every folder.
  work=$(mktemp -d /var/tmp/holdfast-install.XXXXXX)
  trap 'rm -rf "$work"' EXIT
  chmod 0755 "$work"
  cp "$from/controller.deb" "$work/holdfast-controller.deb"
  apt_install || { apt-get -q update && apt_install; } || fail 'apt-get could not install the package; its messages are above'
}

apt_install() {
  DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l apt-get -q -y -o DPkg::Lock::Timeout=300 \
    -o Dpkg::Options::=--force-confold --no-install-recommends --allow-downgrades install "$work/holdfast-controller.deb" \
    </dev/null
}

seed_application() {
  [ ! -d /srv/git/todomvc.git ] || return 0
  mkdir -p /srv/git
  rm -rf /srv/git/todomvc.new
  cp -r "$seed/todomvc.git" /srv/git/todomvc.new
  chown -R "$owner" /srv/git/todomvc.new
  mv /srv/git/todomvc.new /srv/git/todomvc.git
}

install_package
if [ -n "$seed" ]; then seed_application; fi
put "$from/secrets.yaml" "$config/secrets.yaml" holdfast-controller 0600
put "$from/admin.token" "$config/admin.token" holdfast-controller 0600
put "$from/ca.crt" "$config/ca.crt" holdfast-controller 0644
put "$from/ca.key" "$config/ca.key" holdfast-controller 0600
put "$here/controller-options" /etc/default/holdfast-controller root 0644
put "$here/git-daemon.service" /etc/systemd/system/holdfast-git.service root 0644

if [ -n "$changed" ]; then
  systemctl daemon-reload
  systemctl --quiet enable holdfast-controller holdfast-git
  systemctl restart holdfast-controller holdfast-git
else
  systemctl start holdfast-controller holdfast-git
fi
