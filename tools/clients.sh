#!/bin/sh
# clients.sh DIRECTORY: published clients of Supervisor, for tests/clients, each installed by name from its registry.
set -eu
cd "$(dirname "$0")/.."
. tools/lib.sh
need_rust
need gcc 'gcc libc6-dev'
need python3 python3
python3 -c 'import ensurepip, venv' 2>/dev/null || need_package 'a Python environment' python3-venv
case $1 in /*) there=$1 ;; *) there=$PWD/$1 ;; esac
rm -rf "$there/python" "$there/npm" "$there/ansible" "$there/debian" "$there/ready"
mkdir -p "$there/npm" "$there/ansible" "$there/debian"

# PyPI. Ansible's collections are 50 MB, of which one file is wanted.
python3 -m venv "$there/python"
pip() { "$there/python/bin/python" -m pip --quiet --disable-pip-version-check "$@"; }
pip install --no-deps -r tests/clients/python/requirements.txt
pip download --no-deps --no-binary :none: --dest "$there/ansible" 'ansible==9.13.0'
python3 - "$there"/ansible/ansible-*.whl >"$there/ansible/supervisorctl.py" <<'END'
import sys, zipfile
name = "ansible_collections/community/general/plugins/modules/supervisorctl.py"
sys.stdout.write(zipfile.ZipFile(sys.argv[1]).read(name).decode())
END
rm "$there"/ansible/ansible-*.whl

# What else Debian and npm have. A machine that cannot get one of them does without, and the tests say so.
: >"$there/absent"
without() {
    echo "*** NOT HERE and not to be installed: clients $1* are not tested ***" >&2
    echo "$1" >>"$there/absent"
}
# In a shell of its own: a failure there ends it.
have() { (need_package "$1" "$2"); }

npm_clients() {
    { command -v node && command -v npm; } >/dev/null || have 'clients of npm' 'nodejs npm' || return
    cp tests/clients/npm/package.json tests/clients/npm/package-lock.json "$there/npm" || return
    (cd "$there/npm" && npm ci --silent --ignore-scripts --no-audit --no-fund)
}
npm_clients || without npm/
ruby -e 'require "xmlrpc/client"' 2>/dev/null || have 'the client of Ruby' 'ruby ruby-xmlrpc' || without debian/ruby
perl -MRPC::XML::Client -MJSON::PP -e 1 2>/dev/null || have 'the client of Perl' 'perl librpc-xml-perl' ||
    without debian/librpc

# Unpacked, not installed, so that no service starts.
fetch() { (cd "$there/debian" && apt-get download -qq -o APT::Sandbox::User=root prometheus-node-exporter); }
exporter() {
    command -v apt-get >/dev/null 2>&1 || return
    { fetch || { apt-get update -qq && fetch; }; } && dpkg -x "$there"/debian/*.deb "$there/debian"
}
exporter || without debian/prometheus

# Cargo.
CARGO_TARGET_DIR="$there/rust" cargo build --quiet --manifest-path tests/clients/rust/Cargo.toml
touch "$there/ready"
