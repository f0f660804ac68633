#!/usr/bin/env bash
# A real OpenSSH server for the tests, on 127.0.0.1 and a free port, with throw-away keys.
#   eval "$(.ci/sshd.sh start)"   installs sshd if it is absent, starts it, prints what the tests read
#   ENGSYNC_SSHD_EXTRA            further lines of its configuration
#   .ci/sshd.sh stop              ends it (by its process id) and removes its directory
set -euo pipefail

say() { echo "sshd.sh: $*" >&2; }

install() {
  [ -x /usr/sbin/sshd ] && command -v ssh-keygen >/dev/null && command -v sftp >/dev/null && return
  say "installing openssh-server and openssh-client from Debian"
  # Nothing is to start by itself: this one is ours.
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
      apt-get install -y -q --no-install-recommends openssh-server openssh-client; } >&2
}

free_port() { # one nobody listens on
  local port
  for _ in $(seq 50); do
    port=$((20000 + RANDOM % 20000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
  say "no free port"; return 1
}

keys() {
  local keys=$1 pass=$2
  mkdir -p "$keys"
  chmod 711 "$keys" # authorized_keys is read with the rights of who logs in
  ssh-keygen -q -t ed25519 -N '' -C host -f "$keys/host_ed25519"
  ssh-keygen -q -t rsa -b 2048 -N '' -C host -f "$keys/host_rsa"
  ssh-keygen -q -t ecdsa -N '' -C host -f "$keys/host_ecdsa"
  ssh-keygen -q -t ed25519 -N '' -C user -f "$keys/ed25519"
  ssh-keygen -q -t ed25519 -N "$pass" -C user -f "$keys/ed25519_locked"
  ssh-keygen -q -t ecdsa -N "$pass" -C user -f "$keys/ecdsa_locked"
  ssh-keygen -q -t rsa -b 2048 -N "$pass" -C user -f "$keys/rsa_locked"
  ssh-keygen -q -t rsa -b 2048 -m PEM -N "$pass" -C user -f "$keys/rsa_pem_locked"
  ssh-keygen -q -t rsa -b 2048 -m PKCS8 -N "$pass" -C user -f "$keys/rsa_pkcs8_locked"
  cat "$keys"/ed25519*.pub "$keys"/rsa*.pub "$keys"/ecdsa*.pub >"$keys/authorized_keys"
  ssh-keygen -q -t ed25519 -N '' -C stranger -f "$keys/stranger"
  chmod 644 "$keys/authorized_keys"
}

start() {
  install
  local home port user=${USER:-$(id -un)} pass=correct-horse
  home=$(mktemp -d "${TMPDIR:-/tmp}/engsync-sshd.XXXXXX")
  chmod 755 "$home"
  mkdir -p "$home/root/in" "$home/root/out" "$home/root/tmp"
  keys "$home/keys" "$pass"
  port=$(free_port)
  printf '[127.0.0.1]:%s %s\n' "$port" "$(cut -d' ' -f1,2 "$home/keys/host_ed25519.pub")" >"$home/known_hosts"
  cp "$home/known_hosts" "$home/known_hosts_hashed"
  ssh-keygen -q -H -f "$home/known_hosts_hashed" >/dev/null 2>&1
  cat >"$home/sshd_config" <<CONFIG
Port $port
ListenAddress 127.0.0.1
HostKey $home/keys/host_ed25519
HostKey $home/keys/host_rsa
HostKey $home/keys/host_ecdsa
PidFile none
AuthorizedKeysFile $home/keys/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
AllowUsers $user
MaxStartups 100
LogLevel VERBOSE
Subsystem sftp internal-sftp
AllowTcpForwarding no
X11Forwarding no
${ENGSYNC_SSHD_EXTRA:-}
CONFIG
  [ "$(id -u)" = 0 ] && mkdir -p /run/sshd # no service made it
  /usr/sbin/sshd -t -f "$home/sshd_config" # the path must be absolute: sshd starts itself again
  /usr/sbin/sshd -D -e -f "$home/sshd_config" </dev/null >/dev/null 2>"$home/log" &
  echo $! >"$home/pid"
  for _ in $(seq 100); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      cat <<ENVIRONMENT
export ENGSYNC_SSHD_HOME=$home
export ENGSYNC_SSHD_PORT=$port
export ENGSYNC_SSHD_USER=$user
ENVIRONMENT
      return
    fi
    sleep 0.05
  done
  tail -n 20 "$home/log" >&2
  return 1
}

stop() {
  local home=${ENGSYNC_SSHD_HOME:?set by start}
  [ -f "$home/pid" ] && kill "$(cat "$home/pid")" 2>/dev/null || true
  rm -rf "$home"
}

case "${1:-}" in
  start) start ;;
  stop) stop ;;
  *) say "start or stop"; exit 2 ;;
esac
