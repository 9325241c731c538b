#!/bin/bash
# Every root of ca-certificates and the chains of fleetsim, as pinsweep and as openssl see them.
# limit: 300
set -euo pipefail
here=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")" && pwd -P)
PYTHONPATH=$here/../support exec python3 -B "$here/differential.py"
