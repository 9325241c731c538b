#!/bin/bash
# Sweeps `openssl s_server`: key types, old versions, odd handshakes, long chains, ends of connections.
# limit: 300
set -euo pipefail
here=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")" && pwd -P)
PYTHONPATH=$here/../support exec python3 -B "$here/s_server.py"
