#!/usr/bin/env bash
# Measure what the product does on this machine's GPU, in some three minutes: bash bench/gpu.sh [options of gpu.py]
# Nothing but the requirements is needed. PYTHON names the interpreter (default: that of .venv, else python3).
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
command -v "$python" >/dev/null || python=python3
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-PASSIVE} # as the scripts themselves set it
exec "$python" bench/gpu.py "$@"
