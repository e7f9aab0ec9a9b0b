#!/usr/bin/env bash
# Makes a component of a connector in Python: build.sh CONNECTOR.py OUT.wasm [WORLD]
#
# WORLD is source-connector (default), destination-connector or connector. COMPONENTIZE_PY names the program; else the one
# on the path. What the connector imports has to stand beside it or beside this script.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
if [ "$#" -lt 2 ]; then sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; fi
module="$(basename "$1" .py)"

# --stub-wasi: the host refuses a component that imports WASI.
"${COMPONENTIZE_PY:-componentize-py}" --wit-path "$here/../../wit" --world "${3:-source-connector}" --quiet \
    componentize "$module" --python-path "$(dirname "$1")" --python-path "$here" --stub-wasi --output "$2"
