# Shared by the scripts beside it; to be sourced.

# need COMMAND PACKAGE: installs a missing Debian package when root, otherwise names it and ends.
need() {
    command -v "$1" >/dev/null 2>&1 && return
    need_package "$2" "the command $1"
}

# need_package PACKAGE WHAT-FOR
need_package() {
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "installing the package $1 for $2" >&2
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$1" >/dev/null ||
            { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$1" >/dev/null; }
    else
        echo "$2 is missing: install the package $1 (Debian: apt-get install $1)" >&2
        exit 1
    fi
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

# tool NAME VERSION: a development tool of cargo's, installed below target/tools; prints its path.
tool() {
    if [ ! -x "target/tools/bin/$1" ]; then
        CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --debug --locked --root target/tools \
            --no-default-features --version "$2" "$1" >&2
    fi
    echo "target/tools/bin/$1"
}
