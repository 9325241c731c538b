#!/bin/bash
# Names by dnsmasq and by a hostile name server: families, fall-back, failures, deadlines, numbers.
# limit: 300
set -euo pipefail
here=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")" && pwd -P)
PYTHONPATH=$here/../support exec python3 -B "$here/names.py"
