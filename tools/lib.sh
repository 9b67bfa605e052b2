# Shared by the scripts beside it; to be sourced.

# need COMMAND PACKAGE…: installs what Debian calls it when root, otherwise names it and ends.
need() {
    command -v "$1" >/dev/null 2>&1 && return
    need_package "the command $1" "$2"
}

# need_package WHAT-FOR PACKAGES
need_package() {
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
        echo "$1 is missing here; on Debian: apt-get install $2" >&2
        exit 1
    fi
    echo "installing $2 for $1" >&2
    install_packages "$2" || { apt-get update -qq && install_packages "$2"; }
}

install_packages() {
    # shellcheck disable=SC2086 # several words, several packages
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $1 >/dev/null
}

need_rust() {
    command -v cargo >/dev/null 2>&1 && return
    echo 'cargo is missing: install Rust (Cargo.toml says from which version on), with rustup for the static build' >&2
    exit 1
}

# The static target of this machine, if it is there or can be had; else nothing.
musl_target() {
    target="$(uname -m)-unknown-linux-musl"
    libdir=$(rustc --print target-libdir --target "$target" 2>/dev/null) || return 0
    if [ ! -d "$libdir" ] && command -v rustup >/dev/null 2>&1; then
        rustup target add "$target" >/dev/null 2>&1 || true
    fi
    if [ -d "$libdir" ]; then echo "$target"; fi
}

# PAM's library alone; its headers are not needed. Without it there is no auth=pam, and all else is the same.
have_pam() { [ "$(gcc -print-file-name=libpam.so.0)" != libpam.so.0 ]; }

# Installs it where that can be, and says so where it cannot.
want_pam() {
    have_pam || (need_package "logins by PAM (libpam.so.0)" libpam0g) || true
    have_pam || echo 'libpam.so.0 is missing: supervisor-pam is not built, and auth=pam will refuse everybody' >&2
}

# tool NAME VERSION: a development tool of cargo's, installed below target/tools; prints its path.
tool() {
    if [ ! -x "target/tools/bin/$1" ]; then
        CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --debug --locked --root target/tools \
            --no-default-features --version "$2" "$1" >&2
    fi
    echo "target/tools/bin/$1"
}
