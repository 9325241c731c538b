#!/bin/bash
# The schemas of data/ and validate.py, which the other tests rely on: good records pass, and each
# single change that breaks the contract is refused.
set -euo pipefail
here=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")" && pwd -P)
exec "$here/../support/test_validate.py"
