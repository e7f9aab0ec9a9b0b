#!/usr/bin/env bash
# Makes a component of a connector in JavaScript: build.sh CONNECTOR.js OUT.wasm [WORLD]
#
# WORLD is source-connector (default), destination-connector or connector. COMPONENTIZE_QJS names the program; else the one
# that `npm ci` puts beside this script.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
componentize="${COMPONENTIZE_QJS:-$here/node_modules/.bin/componentize-qjs}"
if [ "$#" -lt 2 ]; then sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; fi

# --sync: the host refuses asynchronous components. --stub-wasi: and anything that imports WASI.
"$componentize" --wit "$here/../../wit" --world "${3:-source-connector}" --js "$1" --module-root "${MODULE_ROOT:-$here}" \
    --sync --stub-wasi --opt-size --output "$2"
