#!/bin/sh
# Hook of mmdebstrap: makes the bare Debian tree in $1 what a cloud image is, and fills its package cache.
# From the environment:
#   SOURCES  the text of /etc/apt/sources.list
#   CACHE    packages fetched as one set, with and without what they recommend (the two can choose differently)
#   RIVALS   packages that exclude each other or a member of CACHE, each fetched by itself
set -eu
root=$1
here=$(dirname "$0")

install -m 0755 "$here/init" "$root/sbin/holdfast-host-init"
rm -f "$root"/etc/apt/sources.list.d/0000* "$root"/etc/dpkg/dpkg.cfg.d/99mmdebstrap
printf '%s\n' "$SOURCES" >"$root/etc/apt/sources.list"

echo 'en_US.UTF-8 UTF-8' >"$root/etc/locale.gen"
chroot "$root" locale-gen
echo 'LANG=C.UTF-8' >"$root/etc/default/locale"

fetch() {
  chroot "$root" apt-get --yes --download-only -o Acquire::Retries=5 install "$@"
}
# shellcheck disable=SC2086 # lists of package names
fetch --install-recommends $CACHE
fetch --no-install-recommends $CACHE
for rival in $RIVALS; do
  fetch --install-recommends "$rival"
done

# What is the machine's, or the container engine's to write.
rm -f "$root/etc/hostname" "$root/etc/resolv.conf" "$root"/var/cache/apt/archives/partial/*
