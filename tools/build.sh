#!/bin/sh
# build.sh [--hooks] DIRECTORY: builds what is to be run into DIRECTORY/bin and DIRECTORY/libexec/supervisor.
#
# Spawner, broker and audit writer are static where the musl target is installed, the latter two where musl-gcc is, too.
# Reader, client and tools need the name service of libc, the PAM helper that and PAM's modules, and are dynamic. One cargo
# run for each room, with every binary named: a single run would give each of them the features that all of them want.
set -eu
cd "$(dirname "$0")/.."
. tools/lib.sh
need_rust
need gcc 'gcc libc6-dev'
want_pam

made=target
if [ "$1" = --hooks ]; then
    shift
    made=target/hooks
    # For tests alone: whole-program optimisation is left out.
    export RUSTFLAGS='--cfg supervisor_hooks' CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16
fi
dist=$1
musl=$(musl_target)
# The broker's TLS has C and assembly in it.
musl_c=$musl
if [ -n "$musl" ] && ! (need "$(uname -m)-linux-musl-gcc" musl-tools); then
    echo 'musl-gcc is missing: the broker and the audit writer are built dynamic' >&2
    musl_c=
fi

# A map that the client's contexts are read into has random numbers from build time in it: the same ones every time.
export CONST_RANDOM_SEED=supervisor

run() { cargo build --release --locked --target-dir "$made" "$@"; }
run ${musl:+--target=$musl} -p supervisord --bin supervisord
run ${musl_c:+--target=$musl_c} -p supervisor --no-default-features --bin supervisor-broker --bin supervisor-audit
run -p supervisor --bin supervisor-reader --bin supervisorctl --bin supervisor-tools
if have_pam; then run -p supervisor-pam; fi

bin=$dist/bin
libexec=$dist/libexec/supervisor
mkdir -p "$bin" "$libexec"
# A running program keeps its file: replace, never overwrite.
place() { install -m "$1" "$2" "$3.new" && mv -f "$3.new" "$3"; }
place 0755 "$made/${musl:+$musl/}release/supervisord" "$bin/supervisord"
place 0711 "$made/${musl_c:+$musl_c/}release/supervisor-broker" "$libexec/supervisor-broker"
place 0711 "$made/${musl_c:+$musl_c/}release/supervisor-audit" "$libexec/supervisor-audit"
place 0711 "$made/release/supervisor-reader" "$libexec/supervisor-reader"
if have_pam; then place 0711 "$made/release/supervisor-pam" "$libexec/supervisor-pam"; fi
place 0755 "$made/release/supervisorctl" "$bin/supervisorctl"
place 0755 "$made/release/supervisor-tools" "$bin/supervisor-tools"
for tool in $("$bin/supervisor-tools" --list); do
    ln -sfn supervisor-tools "$bin/$tool"
done
rm -rf "$dist/share"
cp -R share "$dist/share"
rm -rf "$dist/etc"
mkdir -p "$dist/etc"
cp -R packaging/pam.d "$dist/etc/pam.d"
echo "built: $dist (${musl:-dynamic, the musl target is not installed})"
