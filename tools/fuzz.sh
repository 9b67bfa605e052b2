#!/bin/sh
# fuzz.sh SECONDS [TARGET …]: a short run of each fuzz target, where a nightly toolchain is installed.
set -eu
cd "$(dirname "$0")/.."
. tools/lib.sh
seconds=$1
shift
if ! cargo +nightly --version >/dev/null 2>&1; then
    echo 'no nightly toolchain: nothing is fuzzed' >&2
    exit 0
fi
need g++ g++
PATH=$PWD/$(dirname "$(tool cargo-fuzz 0.13.2)"):$PATH
cd fuzz
[ $# -gt 0 ] || set -- $(cargo +nightly fuzz list)
cargo +nightly run --quiet --example seeds seeds
# The same for building and running. Units of their own build sooner.
set_up='--codegen-units 16'
cargo +nightly fuzz build $set_up
for target; do
    echo "fuzzing $target for $seconds s"
    mkdir -p "corpus/$target"
    cargo +nightly fuzz run $set_up "$target" "corpus/$target" "seeds/$target" -- \
        -max_total_time="$seconds" -rss_limit_mb=1024 -timeout=10 -print_final_stats=1 2>fuzz.log ||
        { tail -n 40 fuzz.log >&2; exit 1; }
    grep -E 'number_of_executed_units|cov:' fuzz.log | tail -n 1
done
rm -f fuzz.log
