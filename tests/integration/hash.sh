#!/bin/bash
# pinsweep hash on real and on deliberately odd certificates, held against the openssl program and
# testssl.sh's table of pins: see hash.py. Ends with "integration hash: N passed, N failed[, N skipped]".
# limit: 400
set -euo pipefail
here=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")" && pwd -P)
exec python3 "$here/hash.py" "${1:-${PINSWEEP:-$here/../../build/pinsweep}}"
