#!/bin/sh
# Licences, origins and known holes of every crate; for the processes with privileges an exhaustive list of them.
set -eu
cd "$(dirname "$0")/.."
. tools/lib.sh
deny=$(tool cargo-deny 0.20.2)
"$deny" --workspace check licenses bans sources
"$deny" --manifest-path privsep/root/Cargo.toml --config privsep/root/deny.toml check bans
"$deny" --manifest-path privsep/pam/Cargo.toml --config privsep/pam/deny.toml check bans
# The list of known holes comes over the network; a machine without one says so and goes on.
if timeout 120 "$deny" --workspace fetch db 2>/dev/null; then
    "$deny" --workspace check advisories
else
    echo 'advisories: NOT CHECKED, the advisory database cannot be fetched from here' >&2
fi
