#!/bin/sh
# nginx.sh: prints where nginx is, getting it where it can; `none` where it cannot be had at all.
set -u
cd "$(dirname "$0")/.."
there=$PWD/target/nginx
find_it() {
    for path in "$(command -v nginx)" /usr/sbin/nginx "$there/usr/sbin/nginx"; do
        if [ -x "$path" ] && "$path" -v 2>/dev/null; then
            echo "$path"
            return
        fi
    done
    return 1
}
find_it && exit 0
# Unpacked, not installed, so that no web server starts. The program is in one package or the other, by release.
fetch() { (cd "$there" && apt-get download -qq -o APT::Sandbox::User=root nginx nginx-light); }
unpack() {
    command -v apt-get >/dev/null && rm -rf "$there" && mkdir -p "$there" || return
    echo 'getting nginx for the tests behind a proxy'
    { fetch || { apt-get update -qq && fetch; }; } || return
    for package in "$there"/*.deb; do dpkg -x "$package" "$there" || return; done
}
if unpack >&2 && find_it; then exit 0; fi
echo '*** NO PROXY: nginx is not here and cannot be had, so the pages are NOT tested behind a proxy ***' >&2
echo none
