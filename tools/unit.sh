#!/bin/sh
# The sandbox's own tests once more, under the libc that spawner and broker are shipped with.
set -eu
cd "$(dirname "$0")/.."
. tools/lib.sh
musl=$(musl_target)
if [ -n "$musl" ]; then
    cargo test -p policy --target "$musl"
else
    echo 'the musl target is not installed: the sandbox is tested under glibc alone' >&2
fi
