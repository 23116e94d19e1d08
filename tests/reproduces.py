"""Keeps the record of what published models should give and what they do give here.

A test that compares a model with its paper calls `record_reproduction`. The
call is an assertion; with `RANVIER_WRITE_REPRODUCES=1` in the environment it
also writes `docs/reproduces.json`, from which the documentation makes its table.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

FILE = Path(__file__).parents[1] / "docs" / "reproduces.json"
SWITCH = "RANVIER_WRITE_REPRODUCES"

Value = float | int | Sequence[float | int]


def record_reproduction(model: str, source: str, what: str, expected: Value, measured: Value, tolerance: float, unit: str = "") -> None:
    """Asserts that a published number is reproduced, and keeps a record of it when asked to.

    Args:
        model: the model, e.g. `"Hodgkin–Huxley 1952"`.
        source: where the expected number is from (paper and figure, equation or file).
        what: what was measured, in a few words; with `model` the key of the record.
        expected: a number, or several (e.g. spike times).
        measured: what came out, of the same shape.
        tolerance: the largest absolute difference allowed; 0 asks for equality.
        unit: the unit of the numbers and of the tolerance.

    Raises:
        AssertionError: a number is not finite or too far off.

    Example:
        >>> record_reproduction("Hodgkin–Huxley 1952", "Hodgkin & Huxley 1952", "rate at 10 µA/cm²", 68.3, 68.31, 0.1, "Hz")
    """
    wanted, found = np.asarray(expected, np.float64), np.asarray(measured, np.float64)
    assert wanted.shape == found.shape, f"{model}, {what}: {found.shape} values were measured, {wanted.shape} expected."
    assert wanted.size, f"{model}, {what}: there is nothing to compare."
    off = float(np.max(np.abs(found - wanted)))
    assert math.isfinite(off) and off <= tolerance, (
        f"{model}, {what}: measured {_text(found)}, expected {_text(wanted)} {unit}; off by {off:.3g}, allowed {tolerance:.3g}. ({source})"
    )
    if os.environ.get(SWITCH) == "1":
        _keep({"model": model, "source": source, "what": what, "expected": _plain(wanted), "measured": _plain(found)}, tolerance, unit)


def _keep(entry: dict, tolerance: float, unit: str) -> None:
    """Puts an entry in its place in the file; what was recorded of the same thing before goes."""
    entry |= {"tolerance": tolerance, "unit": unit}
    entries = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else []
    kept = [e for e in entries if (e["model"], e["what"]) != (entry["model"], entry["what"])]
    kept = sorted([*kept, entry], key=lambda e: (e["model"], e["what"]))
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _plain(values: np.ndarray) -> float | list:
    """Numbers as JSON keeps them: ten digits are more than any tolerance here asks for."""
    return np.vectorize(lambda x: float(f"{x:.10g}"))(values).tolist()


def _text(values: np.ndarray) -> str:
    return f"{values:.6g}" if values.ndim == 0 else np.array2string(values, threshold=8, precision=6)
