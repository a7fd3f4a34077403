#!/bin/sh
# The one way of the Holdfast agent onto a VM that already runs: cloud-init, Vagrant, `npm run up` and people use it.
# POSIX sh; needs nothing but what every Debian and Ubuntu has, and curl or wget where the package comes from a URL.
set -eu

USAGE='Usage: install.sh --controller URL --package FILE|URL --join-token-file FILE [OPTIONS]
       install.sh --uninstall [--purge]

Installs the Holdfast agent on this machine (Debian 11 or later, Ubuntu 22.04 or later, systemd), as root, enrols it with
its controller and starts it. Running it again with the same arguments changes nothing.

  --controller URL      where the agent gets its manifest, such as https://192.168.33.10:8470
  --package FILE|URL    holdfast-agent_VERSION_ARCH.deb
  --sha256 HEX          its checksum; by default the first word of the file or URL with .sha256 after the name
  --join-token-file FILE
                        what "holdfast token join" printed; needed once: an enrolled machine stays enrolled
  --ca-file FILE        PEM of the authority of the package URL, where the machine does not trust that by itself
  --host NAME           the name of this machine in the desired state (by default its host name)
  --dry-run             say what would be done; change nothing
  --uninstall           stop and remove the agent; what it manages stays as it is
  --purge               with --uninstall: remove its configuration and state, too
  --help                this text

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 this system is not supported'

CONFIG=/etc/holdfast
UNIT=holdfast-agent.service
IDENTITY=/var/lib/holdfast/identity.pem

say() { printf 'holdfast: %s\n' "$*"; }
fail() { printf 'holdfast: %s\n' "$*" >&2; exit 1; }
usage_error() { printf 'holdfast: %s\nTry --help.\n' "$*" >&2; exit 2; }
unsupported() { printf 'holdfast: %s\n' "$*" >&2; exit 3; }

controller='' package='' sha256='' join_token_file='' ca_file='' host='' dry_run='' uninstall='' purge=''
while [ $# -gt 0 ]; do
  case $1 in
    --controller | --package | --sha256 | --join-token-file | --ca-file | --host)
      [ $# -ge 2 ] || usage_error "$1 expects a value"
      case $1 in
        --controller) controller=$2 ;;
        --package) package=$2 ;;
        --sha256) sha256=$2 ;;
        --join-token-file) join_token_file=$2 ;;
        --ca-file) ca_file=$2 ;;
        --host) host=$2 ;;
      esac
      shift
      ;;
    --dry-run) dry_run=yes ;;
    --uninstall) uninstall=yes ;;
    --purge) purge=yes ;;
    --help | -h)
      printf '%s\n' "$USAGE"
      exit 0
      ;;
    *) usage_error "there is no option $1" ;;
  esac
  shift
done

# Runs a command, or only tells of it in a dry run.
act() {
  if [ -n "$dry_run" ]; then say "would run: $*"; else "$@"; fi
}

apt_get() {
  act env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l apt-get -q -y -o DPkg::Lock::Timeout=300 \
    -o Dpkg::Options::=--force-confold "$@" </dev/null
}

check_system() {
  [ -r /etc/os-release ] || unsupported 'there is no /etc/os-release: Debian 11 or later, or Ubuntu 22.04 or later is needed'
  system=$(. /etc/os-release && printf '%s %s' "${ID:-unknown}" "${VERSION_ID:-unstable}")
  case $system in
    'debian 11' | 'debian 11.'* | 'debian 12' | 'debian 12.'* | 'debian 13' | 'debian 13.'* | 'debian unstable') ;;
    'ubuntu 2'[2-9].*) ;;
    *) unsupported "this is $system: Debian 11 or later, or Ubuntu 22.04 or later is needed" ;;
  esac
  [ -d /run/systemd/system ] || unsupported 'systemd is not the first process of this machine, and it has to be'
  [ "$(id -u)" -eq 0 ] || fail 'run this as root (sudo sh install.sh …)'
}

fetch() { # URL FILE
  if command -v curl >/dev/null; then
    curl --fail --silent --show-error --location --retry 5 --retry-connrefused --max-time 600 ${ca_file:+--cacert "$ca_file"} \
      --output "$2" "$1"
  elif command -v wget >/dev/null; then
    wget --quiet --tries=5 --timeout=60 ${ca_file:+--ca-certificate="$ca_file"} --output-document="$2" "$1"
  else
    fail 'neither curl nor wget is installed: apt-get install curl, or give --package a file'
  fi || fail "cannot fetch $1"
}

is_url() { case $1 in http://* | https://*) return 0 ;; *) return 1 ;; esac; }

# Leaves the checked package at $deb.
get_package() {
  work=$(mktemp -d /var/tmp/holdfast-install.XXXXXX)
  trap 'rm -rf "$work"' EXIT
  trap 'exit 1' HUP INT TERM
  deb=$work/holdfast-agent.deb
  if is_url "$package"; then
    fetch "$package" "$deb"
    [ -n "$sha256" ] || { fetch "$package.sha256" "$work/sha256" && sha256=$(cut -d ' ' -f 1 "$work/sha256"); }
  else
    [ -f "$package" ] || fail "$package is not there"
    cp "$package" "$deb"
    if [ -z "$sha256" ]; then
      [ -f "$package.sha256" ] || fail "there is no checksum: give --sha256, or put $package.sha256 beside the package"
      sha256=$(cut -d ' ' -f 1 "$package.sha256")
    fi
  fi
  actual=$(sha256sum "$deb" | cut -d ' ' -f 1)
  [ "$actual" = "$sha256" ] || fail "the checksum of $package is $actual and not $sha256: it is damaged or another one"
  [ "$(dpkg-deb --field "$deb" Package)" = holdfast-agent ] || fail "$package is not a package of the agent"
  architecture=$(dpkg-deb --field "$deb" Architecture)
  [ "$architecture" = "$(dpkg --print-architecture)" ] || fail "$package is for $architecture, this machine is $(dpkg --print-architecture)"
  chmod 0755 "$work"
}

# Puts stdin at $1 with mode $2 where it differs, by a rename. Sets `changed` where it did.
put() {
  umask 077
  temporary=$(mktemp "$work/put.XXXXXX")
  cat >"$temporary"
  if [ -f "$1" ] && cmp -s "$temporary" "$1" && [ "$(stat -c %a:%U "$1")" = "${2#0}:root" ]; then return 0; fi
  changed=yes
  if [ -n "$dry_run" ]; then
    say "would write: $1"
    return 0
  fi
  install -m "$2" "$temporary" "$1.new"
  sync "$1.new"
  mv -f "$1.new" "$1"
  say "wrote $1"
}

json_text() { # for values that were checked to hold no quote, backslash or control character
  case $1 in *[\"\\]* | *[[:cntrl:]]*) usage_error "a quote, backslash or control character in: $1" ;; esac
  printf '"%s"' "$1"
}

write_config() {
  act install -d -m 0755 "$CONFIG"
  {
    printf '{\n  "controller": %s' "$(json_text "$controller")"
    if [ -n "$host" ]; then printf ',\n  "host": %s' "$(json_text "$host")"; fi
    printf '\n}\n'
  } >"$work/agent.json"
  put "$CONFIG/agent.json" 0644 <"$work/agent.json"
}

installed_version() {
  dpkg-query --show --showformat '${db:Status-Abbrev}${Version}' holdfast-agent 2>/dev/null | sed -n 's/^ii *//p'
}

install_package() {
  version=$(dpkg-deb --field "$deb" Version)
  [ "$(installed_version)" != "$version" ] || return 0
  changed=yes
  say "installing holdfast-agent $version"
  # Package lists may be missing or old on a new machine; what the package needs is there already as a rule.
  apt_get --no-install-recommends --allow-downgrades install "$deb" || {
    apt_get update && apt_get --no-install-recommends --allow-downgrades install "$deb"
  } || fail 'apt-get could not install the package; its messages are above'
}

# A machine that is enrolled with this controller already does not use the token, which may be over by now.
enroll() {
  if [ -n "$dry_run" ]; then
    if [ -s "$IDENTITY" ]; then return 0; fi
    changed=yes
    say "would run: holdfast-agent enroll --join-token-file ${join_token_file:-FILE}"
  elif [ -n "$join_token_file" ]; then
    # The controller may be just starting, as this machine is.
    told=$(holdfast-agent enroll --wait 3m --join-token-file "$join_token_file") ||
      fail 'the agent is installed, but not enrolled; mend what is said above and run this again'
    case $told in
      *'nothing to do'*) ;;
      *)
        changed=yes
        say "$told"
        ;;
    esac
  elif [ ! -s "$IDENTITY" ]; then
    say 'this machine is not enrolled: holdfast-agent enroll --join-token-file FILE'
  fi
}

start_agent() {
  [ -f "$CONFIG/agent.yaml" ] && fail "$CONFIG/agent.yaml is there, too: remove it, the configuration is $CONFIG/agent.json"
  systemctl is-enabled --quiet "$UNIT" 2>/dev/null || act systemctl --quiet enable "$UNIT"
  if [ -n "$changed" ]; then
    act systemctl restart "$UNIT" || fail "the agent does not start; see: journalctl --unit $UNIT"
  elif ! systemctl is-active --quiet "$UNIT"; then
    act systemctl start "$UNIT" || fail "the agent does not start; see: journalctl --unit $UNIT"
  fi
}

do_install() {
  case $controller in
    https://?*) ;;
    '') usage_error '--controller is missing' ;;
    *) usage_error '--controller expects a URL such as https://192.168.33.10:8470' ;;
  esac
  [ -n "$package" ] || usage_error '--package is missing'
  [ -z "$join_token_file" ] || [ -s "$join_token_file" ] || fail "$join_token_file is not there or empty"
  [ -z "$ca_file" ] || grep -q 'BEGIN CERTIFICATE' "$ca_file" || fail "$ca_file holds no PEM certificate"
  case $host in *[!A-Za-z0-9._-]*) usage_error "--host expects letters, digits, dots and dashes: $host" ;; esac
  check_system
  changed=''
  get_package
  # The configuration first: an upgrade of the package starts the agent anew.
  write_config
  install_package
  enroll
  start_agent
  if [ -n "$dry_run" ]; then
    if [ -z "$changed" ]; then say 'nothing to do'; fi
  elif [ -n "$changed" ]; then
    say "the agent runs and follows $controller; see: holdfast-agent status"
  else
    say 'nothing to do'
  fi
}

do_uninstall() {
  check_system
  if [ -z "$(dpkg-query --show --showformat '${Version}' holdfast-agent 2>/dev/null)" ]; then
    say 'the agent is not installed'
    return 0
  fi
  if [ -n "$purge" ]; then apt_get purge holdfast-agent; else apt_get remove holdfast-agent; fi
  say 'the agent is removed; what it managed stays as it is'
}

if [ -n "$uninstall" ]; then
  do_uninstall
else
  [ -z "$purge" ] || usage_error '--purge goes with --uninstall'
  do_install
fi
