#!/bin/bash
# What comes out, whatever happens: one whole record a line of the inventory, full disks, readers
# that leave, signals, exit codes, metadata. See output.py.
# limit: 600
set -euo pipefail
exec /usr/bin/python3 "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/output.py"
