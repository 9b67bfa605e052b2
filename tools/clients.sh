#!/bin/sh
# clients.sh DIRECTORY: published clients of Supervisor, for tests/clients, each installed by name from its registry.
set -eu
cd "$(dirname "$0")/.."
. tools/lib.sh
need_rust
need gcc 'gcc libc6-dev'
need python3 python3
python3 -c 'import ensurepip, venv' 2>/dev/null || need_package 'a Python environment' python3-venv
need node nodejs
need npm npm
ruby -e 'require "xmlrpc/client"' 2>/dev/null || need_package 'the client of Ruby' 'ruby ruby-xmlrpc'
perl -MRPC::XML::Client -MJSON::PP -e 1 2>/dev/null || need_package 'the client of Perl' 'perl librpc-xml-perl'
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

# npm.
cp tests/clients/npm/package.json tests/clients/npm/package-lock.json "$there/npm"
(cd "$there/npm" && npm ci --silent --ignore-scripts --no-audit --no-fund)

# Debian: unpacked, not installed, so that no service starts.
if ! command -v apt-get >/dev/null 2>&1; then
    echo 'prometheus-node-exporter is taken from a Debian archive, and there is no apt-get here' >&2
    exit 1
fi
fetch() { (cd "$there/debian" && apt-get download -qq -o APT::Sandbox::User=root prometheus-node-exporter); }
fetch || { apt-get update -qq && fetch; }
dpkg -x "$there"/debian/*.deb "$there/debian"

# crates.io.
CARGO_TARGET_DIR="$there/rust" cargo build --quiet --locked --manifest-path tests/clients/rust/Cargo.toml
touch "$there/ready"
