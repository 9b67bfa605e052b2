#!/bin/sh
# stunnel.sh: prints where stunnel is, installing it where it can; `none` where it cannot be had at all.
set -u
cd "$(dirname "$0")/.."
. tools/lib.sh
find_it() {
    for name in stunnel4 /usr/bin/stunnel4 stunnel; do
        command -v "$name" && return
    done
    return 1
}
find_it && exit 0
# In a shell of its own: a failure there ends it. Debian's package starts no tunnel by itself.
if (need_package 'the tests with clients that come through a tunnel' stunnel4) >&2 && find_it; then exit 0; fi
echo '*** NO TUNNEL: stunnel is not here and cannot be installed, so clients that come through one are NOT tested ***' >&2
echo none
