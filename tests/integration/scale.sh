#!/bin/bash
# Large inputs in constant memory, and more connections than one ring holds. See scale.py.
# limit: 300
set -euo pipefail
here=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")" && pwd -P)
PYTHONPATH=$here/../support exec python3 -B "$here/scale.py"
