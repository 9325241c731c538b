#!/bin/bash
# Sweeps a real nginx: versions, key types, client certificates, SNI, IPv6, every order of chains.
# limit: 300
set -euo pipefail
here=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")" && pwd -P)
PYTHONPATH=$here/../support exec python3 -B "$here/nginx.py"
