#!/bin/sh
# The environment of `benchmarks/spiking_layers.py`: PyTorch, the peers, and what Ranvier imports. Needs python3 (3.11 or newer) with
# venv, and Ranvier's native module built into this checkout, or Ranvier installed.
#   benchmarks/peers/setup_spiking.sh [DIRECTORY]        default: benchmarks/peers/.venv-spiking
#   PYTHONPATH=src benchmarks/peers/.venv-spiking/bin/python benchmarks/spiking_layers.py
set -eu
where=${1:-$(dirname "$0")/.venv-spiking}
python3 -m venv "$where"
"$where/bin/pip" install --quiet torch==2.13.0
"$where/bin/pip" install --quiet torch==2.13.0 snntorch==1.0.0 norse==1.1.0 spikingjelly==2.0.0 "jax>=0.8,<0.11" scipy xarray matplotlib rich scikit-learn
"$where/bin/python" -c "import norse, snntorch, spikingjelly; print('snnTorch, Norse and SpikingJelly are there')" | tail -n 1
