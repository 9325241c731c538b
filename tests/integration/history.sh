#!/bin/bash
# Two nights of a fleet that changes in between, and what is told of them: diff says exactly what
# changed, from files and from a store; the metrics are Prometheus'; what expires when.
# See history.py.
# limit: 300
set -euo pipefail
exec /usr/bin/python3 "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/history.py"
