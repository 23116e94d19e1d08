"""Runs what a scene's page runs, in the JavaScript engine of Chromium but without a browser."""

import contextlib
import json

import numpy as np
import pytest

from ranvier.lab.html import ENGINE, WORKER, model_script, source

_REDUCE = """
JSON.stringify((r => ({spikes: r.spikes, bad: r.bad,
  columns: r.columns.map(c => [c.part, c.name, Array.from(c.values, x => Number.isFinite(x) ? x : String(x))])}))(%s))
"""


@contextlib.contextmanager
def engine(*programs: str):
    """A fresh V8 with these programs in it; skipped where it is not installed. Closed at the end: left to the interpreter's, it hangs."""
    racer = pytest.importorskip("py_mini_racer", reason="needs mini-racer, which has no wheel for this machine")
    context = racer.MiniRacer()
    try:
        context.eval("".join(source(name) for name in (*ENGINE, *WORKER)).replace("typeof WorkerGlobalScope", '"undefined"'))
        for program in programs:
            context.eval(program)
        yield context
    finally:
        context.close()


def run(scene, settings: str = "SCENE.settings", options: str = "{}"):
    """What the page's run gives: the steps of each cell's spikes, and each column by part and name."""
    with engine(model_script(scene.facts, scene.code)) as context:
        found = json.loads(context.eval(_REDUCE % f"simulate(SCENE, PARTS, {settings}, {options})"))
    columns = {(part, name): np.array([float(x) for x in values]) for part, name, values in found["columns"]}
    return found["spikes"], columns
