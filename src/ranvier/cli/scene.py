"""`ranvier scene`."""

from __future__ import annotations

import argparse
import webbrowser
from pathlib import Path
from typing import Any

from ranvier.cli.job import executed
from ranvier.errors import ParameterError, unknown


def add_to(commands: Any) -> None:
    """The command's options."""
    parser = commands.add_parser(
        "scene",
        help="write a model as a page that runs it",
        description="Writes a page in which a model runs and every parameter is a slider. The page is one file, needs no server and no "
        "connection, and gives the spikes that rv.simulate gives.",
        epilog="A file defines `scene` (an rv.lab.scene), or `model` (a neuron model), and may define current, duration, dt, integrator.",
    )
    parser.add_argument("what", metavar="NAME|FILE.py", help="a model such as hh, lif, adex, stp, or a file")
    parser.add_argument("--out", metavar="FILE", help="where the page goes (default NAME.html)")
    parser.add_argument("--open", action="store_true", help="show it in the browser")


def run(arguments: argparse.Namespace) -> None:
    """Writes the page and says where it is."""
    place = Path(arguments.out or f"{Path(arguments.what).stem}.html")
    made = _from_file(Path(arguments.what)) if arguments.what.endswith(".py") else _named(arguments.what)
    made.save(place)
    print(f"{place} ({place.stat().st_size / 1000:.0f} kB)")
    if arguments.open:
        webbrowser.open(place.resolve().as_uri())


def _named(name: str) -> Any:
    from ranvier.lab.catalogue import by_name

    known = by_name()
    if name not in known:
        raise unknown("scene", name, known)
    return known[name]()


def _from_file(file: Path) -> Any:
    if not file.is_file():
        raise ParameterError(f"There is no file {file}.")
    return of_defined(file, executed(file))


def of_defined(file: Path, defined: dict[str, Any]) -> Any:
    """The scene that a file defines: its `scene`, or that of its `model`.

    Raises:
        ParameterError: it defines neither.
    """
    from ranvier.lab import Scene, scene
    from ranvier.neurons.base import NeuronModel

    if isinstance(defined.get("scene"), Scene):
        return defined["scene"]
    model = defined.get("model")
    if not isinstance(model, NeuronModel):
        raise ParameterError(
            f"{file} must define `model`, a neuron model such as rv.neurons.HodgkinHuxley(), or `scene`, an rv.lab.scene(…)."
        )
    given = {name: defined[name] for name in ("current", "duration", "dt", "integrator") if name in defined}
    return scene(model, **given)
