#!/bin/sh
# stages.sh STAGE …: makes one after the other, says how long each took, and ends one that hangs.
set -u
cd "$(dirname "$0")/.."
limit=1500
told=
for stage; do
    echo "== $stage"
    begun=$(date +%s)
    timeout --kill-after=30 "$limit" "${MAKE:-make}" --no-print-directory "$stage"
    status=$?
    took=$(($(date +%s) - begun))
    told="$told $stage $took s,"
    if [ $status -ne 0 ]; then
        # The latter where it had to be killed.
        case $status in 124 | 137) echo "$stage has not ended within $limit s" >&2 ;; esac
        echo "make $stage failed; so far:${told%,}" >&2
        exit 1
    fi
done
echo "all passed:${told%,}"
