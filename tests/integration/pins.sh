#!/bin/bash
# pinsweep pins make, convert and show against the openssl program, curl and xmllint (where they
# are): see pins.py.
# limit: 240
set -euo pipefail
here=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")" && pwd -P)
PYTHONPATH=$here/../support exec python3 -B "$here/pins.py"
