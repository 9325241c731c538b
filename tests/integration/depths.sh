#!/bin/bash
# The same servers through depth complete, prove and capture: the same chains, digests and facts.
# limit: 300
set -euo pipefail
here=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")" && pwd -P)
PYTHONPATH=$here/../support exec python3 -B "$here/depths.py"
