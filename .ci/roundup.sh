#!/usr/bin/env bash
# A real Roundup for the tests: .ci/roundup.sh start DIR, .ci/roundup.sh stop DIR.
#
# `start` installs it from PyPI into DIR/venv, makes two trackers of the classic template (`ext`
# with classes for other trackers' identities and keywords of messages, `plain` without), serves
# both on 127.0.0.1 at a free port and prints what the tests read from the environment.
set -euo pipefail
dir=$(mkdir -p "${2:?directory}" && cd "$2" && pwd)
version=${ROUNDUP_VERSION:-2.6.0}
python=${PYTHON:-python3}
bin=$dir/venv/bin

install() {
  [ -x "$bin/roundup-server" ] && return
  "$python" -c 'import ensurepip, venv' 2>/dev/null ||
    { apt-get update -q && apt-get install -y -q python3-venv; } >&2
  "$python" -m venv "$dir/venv"
  "$bin/pip" install -q --no-cache-dir --disable-pip-version-check "roundup==$version"
}

make_tracker() { # name, port
  local home=$dir/$1
  rm -rf "$home"
  "$bin/roundup-admin" -i "$home" install classic sqlite >/dev/null
  "$python" -I - "$home" "$1" "$2" "$dir/mail.log" <<'PYTHON'
import re, sys
home, name, port, mail = sys.argv[1:]

def change(file, edit):
    path = f"{home}/{file}"
    with open(path, encoding="utf-8") as old:
        text = edit(old.read())
    with open(path, "w", encoding="utf-8") as new:
        new.write(text)

def config(text):
    for section, key, value in [
        ("tracker", "web", f"http://127.0.0.1:{port}/{name}/"),
        ("tracker", "email", "issues@example.invalid"),
        ("mail", "domain", "example.invalid"),
        ("mail", "host", "127.0.0.1"),
        # No mail server: what would be sent is written there.
        ("mail", "debug", mail),
        # Every request logs in: the default work factor would take most of the time.
        ("main", "password_pbkdf2_default_rounds", "1000"),
        ("web", "api_failed_login_limit", "1000"),
    ]:
        begin = text.index(f"\n[{section}]")
        end = text.find("\n[", begin + 2)
        end = len(text) if end < 0 else end
        part, count = re.subn(rf"(?m)^#?{key} *=.*$", f"{key} = {value}", text[begin:end], count=1)
        # Older releases lack what makes tests slow.
        assert count == 1 or section == "web", f"no {section}.{key} in config.ini"
        text = text[:begin] + part + text[end:]
    return text

EXT = """
ext_tracker = Class(db, "ext_tracker",
                name=String(), description=String(), url_template=String())
ext_tracker.setkey("name")
ext_msg = Class(db, "ext_msg",
                ext_tracker=Link("ext_tracker"), msg=Link("msg"),
                ext_id=String(), key=String())
ext_msg.setkey("key")
ext_tracker_state = Class(db, "ext_tracker_state",
                ext_id=String(), ext_status=String(),
                ext_attributes=Link("msg"), ext_tracker=Link("ext_tracker"),
                issue=Link("issue"))
msg_keyword = Class(db, "msg_keyword", name=String(), description=String())
msg_keyword.setkey("name")
"""

def schema(text):
    more = "severity=Integer(), effort=Number(), blocker=Boolean(),\n" \
           "                deadline=Date(), partner_number=String()"
    text, count = re.subn(r'status=Link\("status"\)\)', f'status=Link("status"),\n                {more})'
                          + (EXT if name == "ext" else ""), text, count=1)
    assert count == 1
    if name == "ext":
        text, count = re.subn(r"inreplyto=String\(\)\)",
                              'inreplyto=String(),\n                keywords=Multilink("msg_keyword"))',
                              text, count=1)
        assert count == 1
        text += """
for cl in ("ext_tracker", "ext_msg", "ext_tracker_state", "msg_keyword"):
    for perm in ("View", "Edit", "Create"):
        db.security.addPermissionToRole("User", perm, cl)
"""
    return text

def data(text):
    # The priorities and keywords that the tests name.
    text, count = re.subn(r'(?m)^pri\.create\(.*\n', "", text)
    assert count
    text = text.replace("pri = db.getclass('priority')", "pri = db.getclass('priority')\n"
        "for n, p in enumerate(['high', 'low', 'medium']):\n    pri.create(name=p, order=str(n + 1))\n")
    assert "'medium'" in text
    text = "from roundup import password\n" + text + """
for k in ("a", "b", "x", "y", "one", "frost"):
    db.getclass("keyword").create(name=k)
for name, zone in (("sync", "5"), ("dev", "")):
    user.create(username=name, password=password.Password(name + "pw", config=db.config),
        address=name + "@example.invalid", realname=name.title() + " Muster", roles="User",
        timezone=zone)
"""
    if name == "ext":
        text += 'db.getclass("msg_keyword").create(name="to-remote")\n'
    return text

change("config.ini", config)
change("schema.py", schema)
change("initial_data.py", data)
PYTHON
  "$bin/roundup-admin" -i "$home" initialise adminpw
}

start() {
  install
  local port as=()
  port=$("$python" -I -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  make_tracker ext "$port" >&2
  make_tracker plain "$port" >&2
  # As root it serves only when told to.
  [ "$(id -u)" = 0 ] && as=(-u root -g root)
  # It writes an answer in several pieces, which costs 40 ms each time unless they go out at once.
  "$bin/python" -c 'import socketserver
socketserver.StreamRequestHandler.disable_nagle_algorithm = True
from roundup.scripts.roundup_server import run
run()' -n 127.0.0.1 -p "$port" ${as[@]+"${as[@]}"} "ext=$dir/ext" "plain=$dir/plain" \
    >"$dir/server.log" 2>&1 </dev/null &
  echo $! >"$dir/pid"
  for _ in $(seq 200); do
    if "$python" -I -c "import urllib.request as u; u.urlopen('http://127.0.0.1:$port/ext/', timeout=5)" 2>/dev/null; then
      echo "export ENGSYNC_ROUNDUP_EXT=http://127.0.0.1:$port/ext/"
      echo "export ENGSYNC_ROUNDUP_PLAIN=http://127.0.0.1:$port/plain/"
      echo "export ENGSYNC_ROUNDUP_LOGIN=sync:syncpw"
      echo "export ENGSYNC_ROUNDUP_OTHER_LOGIN=dev:devpw"
      # For what only an administrator may: retiring.
      echo "export ENGSYNC_ROUNDUP_ADMIN_LOGIN=admin:adminpw"
      return
    fi
    sleep 0.1
  done
  tail -n 20 "$dir/server.log" >&2
  stop
  return 1
}

stop() {
  if [ -f "$dir/pid" ]; then
    kill "$(cat "$dir/pid")" 2>/dev/null || true
    rm -f "$dir/pid"
  fi
}

case "$1" in
  start) start ;;
  stop) stop ;;
  *) echo "usage: $0 start|stop DIR" >&2; exit 2 ;;
esac
