"""A GPU to lower kernels for where there is none, which stands with the benchmark that counts launches: that runs without the tests."""

import importlib.util
from pathlib import Path

_spec = importlib.util.spec_from_file_location("launches", Path(__file__).parents[2] / "benchmarks" / "gpu" / "launches.py")
_launches = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_launches)
on_an_h200 = _launches.on_an_h200
