# Runs on the host and lists all that a snapshot holds but what is in the files, in parts that two NULs divide: processes,
# packages, files (path, NUL, what it is, NUL), PostgreSQL's catalog and its settings; see snapshot.ts. It writes nothing.
# Arguments: PostgreSQL's socket, and the statements that print its settings.

# The processes before the walk, which takes long enough for others to come and go.
head -c 1000000 -v /proc/[0-9]*/stat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' ' '
printf '\0\0'
dpkg-query --show --showformat '${Package}:${Architecture} ${Version} ${db:Status-Abbrev}\n' || exit
printf '\0\0'

# Left out: kernel views, and what journald, systemd and a running PostgreSQL write by themselves all the time.
# A file may go between the listing and the look at it: then it is not there.
find / -mindepth 1 -regextype posix-extended \( \
  -path /proc -o -path /sys -o -path /dev -o -path /.holdfast-test \
  -o -path /run/systemd -o -path /run/credentials -o -path /run/log -o -path /run/utmp \
  -o -path /var/log/journal -o -path /var/log/wtmp -o -path /var/lib/systemd/timers \
  -o -path '/var/lib/postgresql/*' -regex '/var/lib/postgresql/[^/]+/[^/]+/(base|global|pg_[^/]+)' \
  \) -prune -o -printf '%p\0%y %m %U %G %s %T@ %C@ %D:%i %l\0' 2>/dev/null
printf '\0'

as_postgres() {
  local said
  if said=$(setpriv --reuid=postgres --regid=postgres --init-groups "$@" 2>&1); then
    printf '%s\n' "$said"
  else
    printf 'unavailable: %s\n' "$said"
  fi
}
if [ -S "$1" ]; then
  cd /
  as_postgres pg_dumpall --schema-only
  as_postgres psql -XAtq --dbname postgres <<<"$2"
fi
