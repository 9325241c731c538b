#!/bin/bash
# The report in headless Chromium: light, dark, narrow and printed; nothing is loaded, nothing complains.
# limit: 300
set -euo pipefail
here=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")" && pwd -P)
PYTHONPATH=$here/../support exec python3 -B "$here/report.py"
