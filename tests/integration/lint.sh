#!/bin/bash
# pins lint on what a sweep of the demo fleet saw: records, a store, chains; NDJSON against its schema,
# SARIF against the standard's rules.
set -euo pipefail
here=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")" && pwd -P)
PYTHONPATH=$here/../support exec python3 -B "$here/lint.py"
