#!/bin/sh
# reference.sh DIRECTORY: Supervisor 4.3.0 and superlance in a Python environment of their own.
set -eu
cd "$(dirname "$0")/.."
. tools/lib.sh
need python3 python3
python3 -c 'import ensurepip, venv' 2>/dev/null || need_package 'a Python environment' python3-venv
rm -rf "$1"
python3 -m venv "$1"
# superlance asks for pkg_resources, which newer setuptools do not have.
"$1/bin/pip" install --quiet --disable-pip-version-check 'supervisor==4.3.0' 'superlance==2.0.0' 'setuptools<81'
"$1/bin/python" -W ignore -c 'import supervisor.supervisord, supervisor.supervisorctl, superlance.memmon'
touch "$1/ready"
