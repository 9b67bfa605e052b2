#!/bin/sh
# The tests beside the code; the sandbox's once more, under the libc that spawner and broker are shipped with.
set -eu
cd "$(dirname "$0")/.."
. tools/lib.sh
need_rust
need gcc 'gcc libc6-dev'
want_pam
without=
# Its tests cannot be linked then.
have_pam || without='--exclude supervisor-pam'
# shellcheck disable=SC2086 # several words
cargo test --workspace --exclude system-tests $without
musl=$(musl_target)
if [ -n "$musl" ]; then
    cargo test -p policy --target "$musl"
else
    echo 'the musl target is not installed: the sandbox is tested under glibc alone' >&2
fi
