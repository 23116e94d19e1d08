"""`import ranvier` stays light."""

import subprocess
import sys


def test_no_plotting_or_tables_until_they_are_used():
    code = (
        "import sys, ranvier\n"
        "assert ranvier.plot.raster and ranvier.Result.plot\n"
        "print([m for m in ('matplotlib', 'xarray', 'pandas', 'scipy.signal', 'pint', 'rich') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert out.stdout.strip() == "[]"
