#!/bin/sh
# system.sh: the whole-system tests. What fails beside others runs once more by itself, and that is said: a busy machine
# makes some programs late, no daemon wrong.
set -eu
cd "$(dirname "$0")/.."
. tools/lib.sh
# For accounts and networks that tests make.
need useradd passwd
need ip iproute2
# For certificates that tests make, and as clients.
need openssl openssl
need curl curl
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# By way of a file: what a failed test has left running does not hold the output open.
timeout --kill-after=10 1200 cargo test --no-fail-fast -p system-tests >"$log" 2>&1 &
tests=$!
trap 'kill "$tests"; exit 1' INT TERM
tail -n +1 -f --pid="$tests" "$log"
if wait "$tests"; then exit 0; fi

suites=$(sed -n 's/^error: test failed, to rerun pass `-p system-tests --test \([a-z]*\)`$/\1/p' "$log")
failed=$(sed -n 's/^test \([^ ]*\) \.\.\. FAILED$/\1/p' "$log")
# A suite that was ended in its midst has no result.
results=$(grep -c '^test result: FAILED' "$log" || true)
if [ -z "$failed" ] || [ "$results" -ne "$(echo "$suites" | wc -w)" ]; then exit 1; fi
for suite in $suites; do
    echo "*** once more, alone, of $suite:" $failed '***'
    # shellcheck disable=SC2086 # several words
    timeout --kill-after=10 300 cargo test -p system-tests --test "$suite" -- --exact --test-threads=1 $failed
done
