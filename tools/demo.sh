#!/bin/sh
# demo.sh DIST: a tour with real programs. Needs root: a low port, and users to tell apart. Leaves nothing behind.
set -eu
cd "$(dirname "$0")/.."
. tools/lib.sh
dist=$1
user=supervisor-demo

[ "$(id -u)" -eq 0 ] || { echo 'make demo shows what root is needed for, so run it as root' >&2; exit 1; }
need python3 python3
need ps procps
need useradd passwd
need runuser util-linux
if id "$user" >/dev/null 2>&1; then
    echo "the user $user exists already, so it is not the demo's to use: remove it with 'userdel $user'" >&2
    exit 1
fi

work= made_user= daemon= failed=yes
# The daemon and all below it; each process here was started by this script.
family() {
    echo "$1"
    for child in $(ps -o pid= --ppid "$1"); do family "$child"; done
}
gone() { ! kill -0 "$1" 2>/dev/null; }
# within SECONDS COMMAND…: repeats a command until it succeeds.
within() {
    tries=$(($1 * 20))
    shift
    until "$@"; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 0.05
    done
}
cleanup() {
    trap - EXIT INT TERM HUP
    if [ -z "$daemon" ] && [ -n "$work" ] && [ -s "$work/demo.pid" ]; then daemon=$(cat "$work/demo.pid"); fi
    if [ -n "$daemon" ] && ! gone "$daemon"; then
        all=$(family "$daemon")
        kill -TERM "$daemon" 2>/dev/null || true
        within 15 gone "$daemon" || kill -KILL $all 2>/dev/null || true
    fi
    if [ "$failed" = yes ] && [ -n "$work" ] && [ -f "$work/log/supervisord.log" ]; then
        echo
        echo 'The demo failed. The end of the activity log:'
        tail -n 20 "$work/log/supervisord.log"
    fi
    if [ -n "$made_user" ]; then userdel "$user" 2>/dev/null || true; fi
    if [ -n "$work" ]; then rm -rf "$work"; fi
    [ "$failed" = no ] || exit 1
}
trap cleanup EXIT
trap 'exit 1' INT TERM HUP

title() { printf '\n== %s\n' "$*"; }
show() {
    printf '$ %s\n' "$*"
    "$@"
}
ctl() { timeout 30 "$work/bin/supervisorctl" -c "$work/demo.conf" "$@"; }
as_user() { runuser -u "$user" -- "$@"; }
fail() {
    echo "demo: $*" >&2
    exit 1
}

title 'Preparing a directory and an ordinary user'
work=$(mktemp -d /tmp/supervisor-demo.XXXXXX)
chmod 0755 "$work"
cp -R "$dist/." "$work/"
cp examples/demo.conf examples/worker.sh examples/crasher.sh "$work/"
mkdir "$work/log" "$work/www"
echo 'Hello from a program that runs as root on a low port.' >"$work/www/index.html"
chown -R root:root "$work"
chmod 0755 "$work/log" "$work/www"
chmod 0644 "$work/demo.conf"
useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /bin/sh "$user"
made_user=yes
DEMO_GROUP=$user
DEMO_PORT=$(python3 - <<'PY'
import socket
for port in range(80, 1024):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            continue
        print(port)
        break
PY
)
[ -n "$DEMO_PORT" ] || fail 'every port from 80 to 1023 is taken'
export DEMO_GROUP DEMO_PORT
echo "directory $work, user $user ($(id "$user")), port $DEMO_PORT"

title 'Starting the daemon'
show timeout 60 "$work/bin/supervisord" -c "$work/demo.conf"
daemon=$(cat "$work/demo.pid")
running() { [ "$(ctl status web worker crasher | grep -c RUNNING)" -eq 3 ]; }
within 20 running || { ctl status || true; fail 'the programs did not start'; }
ctl status

title 'Who runs what'
echo 'The spawner is root. The broker, which serves the socket, has a user id of its own.'
ps -o pid=PID,ppid=PARENT,user:20=USER,rss=KIB,args=COMMAND -p "$(family "$daemon" | paste -s -d, -)"

title "The web server answers on port $DEMO_PORT"
fetch() { python3 -c 'import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode(), end="")' "http://127.0.0.1:$DEMO_PORT/"; }
within 10 fetch 2>/dev/null || fail 'the web server does not answer'

title "An ordinary user, $user, restarts it"
before=$(ctl pid web)
printf '$ kill %s\n' "$before"
if as_user kill "$before" 2>&1; then fail 'an ordinary user could signal a program of root'; fi
echo '… it has no right to do that itself. Through the socket it may ask:'
printf '$ supervisorctl restart web\n'
as_user timeout 30 "$work/bin/supervisorctl" -c "$work/demo.conf" restart web
after=$(ctl pid web)
[ "$before" != "$after" ] || fail 'the web server was not restarted'
echo "pid $before before, $after after, owner $(ps -o user= -p "$after")"
within 10 fetch 2>/dev/null || fail 'the web server does not answer after its restart'

title 'The broker is killed while the worker writes'
broker() { ps -o pid=,args= --ppid "$daemon" | awk '$2 ~ /supervisor-broker$/ {print $1; exit}'; }
lines() { wc -l <"$work/log/worker.log"; }
old=$(broker)
[ -n "$old" ] || fail 'no broker was found'
pids() { ctl pid web; ctl pid worker; }
before=$(pids | paste -s -d' ' -)
count=$(lines)
show kill -KILL "$old"
answers() { ctl version >/dev/null 2>&1 && new=$(broker) && [ -n "$new" ] && [ "$new" != "$old" ]; }
within 10 answers || fail 'no new broker came'
after=$(pids | paste -s -d' ' -)
echo "broker: $old, now $new"
echo "web and worker: $before, now $after"
[ "$before" = "$after" ] || fail 'a program was restarted'
grep -i broker "$work/log/supervisord.log" | tail -n 2 || true
grown() { [ "$(lines)" -gt $((count + 5000)) ]; }
within 20 grown || fail 'the worker writes no more lines'
check_lines() {
    # What follows the last newline is being written at this moment.
    python3 - "$work/log/worker.log" <<'PY'
import sys
with open(sys.argv[1], "rb") as log:
    lines = log.read().split(b"\n")[:-1]
for number, line in enumerate(lines, 1):
    if line != b"line %d" % number:
        sys.exit(f"line {number} of the worker's log is {line!r}")
print(f"{len(lines)} numbered lines in the worker's log: each is there once, in order")
PY
}
check_lines || fail 'a line was lost'
ctl status

title 'The program that crashes is started again each time'
crashed() { grep 'exited: crasher (terminated by SIGSEGV' "$work/log/supervisord.log"; }
within 20 crashed >/dev/null || fail 'the program did not crash'
grep crasher "$work/log/supervisord.log" | tail -n 4

title 'Stopping everything'
all=$(family "$daemon")
printf '$ supervisorctl shutdown\n'
ctl shutdown
within 20 gone "$daemon" || fail 'the daemon does not end'
for pid in $all; do
    within 5 gone "$pid" || fail "process $pid was left behind"
done
check_lines || fail 'a line was lost at the end'
[ ! -e "$work/demo.sock" ] && [ ! -e "$work/demo.pid" ] || fail 'socket or pidfile was left behind'
failed=no
cleanup
title 'Done: nothing runs any more, the user and the directory are gone'
