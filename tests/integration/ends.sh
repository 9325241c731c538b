#!/bin/bash
# How a sweep ends: signals, outputs that fail, exit codes, files that must not be lost. See ends.py.
# limit: 300
set -euo pipefail
exec /usr/bin/python3 "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/ends.py"
