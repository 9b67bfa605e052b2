#!/bin/sh
# chromium.sh: prints where Chromium is, installing it where it can; `none` where it cannot be had at all.
set -u
cd "$(dirname "$0")/.."
. tools/lib.sh
find_it() {
    for name in chromium chromium-browser google-chrome; do
        command -v "$name" && return
    done
    return 1
}
find_it && exit 0
# In a shell of its own: a failure there ends it.
if (need_package 'the tests of the pages in a browser' chromium) >&2 && find_it; then exit 0; fi
echo '*** NO BROWSER: Chromium is not here and cannot be installed, so the pages are NOT tested in a browser ***' >&2
echo none
