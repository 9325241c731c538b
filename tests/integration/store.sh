#!/bin/bash
# The store: sweeps killed at random moments and resumed, what is refused, what the next night need not verify. See store.py.
# limit: 300
set -euo pipefail
exec /usr/bin/python3 "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/store.py"
