#!/bin/bash
# Hostile policies of 100 MB in every format, made here: told with file and line, exit 2, in bounded
# time and memory. And the same slips in all formats.
# limit: 240
set -euo pipefail
here=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")" && pwd -P)
PYTHONPATH=$here/../support exec python3 -B "$here/policies.py"
