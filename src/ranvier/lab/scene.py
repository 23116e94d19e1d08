"""Scenes: a model that runs in a page of its own, under the reader's hand."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

import numpy as np

from ranvier import integrators, stimuli
from ranvier.errors import ParameterError, UnsupportedError
from ranvier.integrators.base import ExplicitRungeKutta, Integrator
from ranvier.lab import parts as made
from ranvier.lab.html import page
from ranvier.lab.parts import Part
from ranvier.lab.streams import of_cell
from ranvier.network.spec import Network, Population, weight_unit
from ranvier.neurons.base import NeuronModel
from ranvier.plasticity.base import PlasticityRule
from ranvier.stimuli.base import Stimulus, as_stimulus
from ranvier.synapses.base import SynapseModel

_METHODS = {
    "RungeKutta4": integrators.RungeKutta4,
    "Heun": integrators.Heun,
    "Midpoint": integrators.Midpoint,
    "Euler": integrators.Euler,
    "ExponentialEuler": integrators.ExponentialEuler,
}
_STEPS = 6  # of the staircase that a reader can edit


@dataclasses.dataclass(frozen=True)
class Scene:
    """A page in which a model runs. `save` writes it to a file; in a notebook it shows itself.

    Attributes:
        facts: what the page is told: the parts, their parameters, units and bounds, the settings at the start.
        code: the parts' functions in JavaScript, by the part's key.
        equations: the parts' equations, as MathML.
    """

    title: str
    facts: dict[str, Any]
    code: dict[str, str]
    equations: str

    def html(self) -> str:
        """The page: one self-contained document that asks for nothing from anywhere."""
        return page(self.title, self.facts, self.code, self.equations)

    def save(self, path: Any) -> None:
        """Writes the page to a file."""
        from pathlib import Path

        Path(path).write_text(self.html(), encoding="utf-8")

    def _repr_html_(self) -> str:
        from ranvier.lab.html import frame

        return frame(self.title, self.html())


def scene(
    model: NeuronModel | None = None,
    *,
    current: Any = None,
    duration: float = 200.0,
    dt: float = 0.025,
    integrator: Integrator | None = None,
    seed: int = 0,
    pre: NeuronModel | None = None,
    synapse: SynapseModel | None = None,
    post: NeuronModel | None = None,
    weight: float = 1.0,
    delay: float = 0.0,
    short_term_plasticity: Any = None,
    plasticity: PlasticityRule | None = None,
    title: str | None = None,
) -> Scene:
    """A model as a page: every parameter a slider, the traces following the hand.

    The page runs the model's own equations, written out as JavaScript, by the same rules
    of time and with the same random numbers as `rv.simulate`, so its spikes are the same.

    Args:
        model: one cell; or instead of it `pre`, `synapse` and `post`.
        current: what is injected (of two cells into `pre`, or without one into `post`), as `rv.simulate` takes it.
            Without one, a pulse into a cell alone.
        duration: how long the run is (ms).
        dt: the time step (ms).
        integrator: a method for all: explicit Runge–Kutta, `rv.ExponentialEuler()`, for noise in the
            membrane `rv.EulerMaruyama()`.
        seed: of everything random.
        pre, synapse, post: two cells and the synapse from the first onto the second. Without `pre` a
            train of spikes, regular or Poisson, that the page makes.
        weight, delay: of the synapse, as in `rv.Projection`.
        short_term_plasticity: of the synapse, such as `rv.synapses.TsodyksMarkram()`.
        plasticity: the rule by which the weight changes, such as `rv.plasticity.PairSTDP(high=100.0)`: one that asks for spikes alone.
        title: of the page.

    Returns:
        A `Scene`: `save("hh.html")` writes it, a notebook shows it.

    Raises:
        UnsupportedError: an operation of the model cannot be written as JavaScript, or the integrator runs no scene.
        ParameterError: a parameter is not one number.

    Example:
        >>> import ranvier as rv
        >>> hh = rv.lab.scene(rv.neurons.HodgkinHuxley(), current=rv.stimuli.SquarePulse(10.0, start=20, stop=180))
        >>> len(hh.html()) < 120_000
        True
    """
    alone = model is not None
    if alone == (synapse is not None or post is not None or pre is not None):
        raise ParameterError("A scene has one cell, rv.lab.scene(model), or two: rv.lab.scene(pre=…, synapse=…, post=…).")
    if not alone and (synapse is None or post is None):
        raise ParameterError(f"A scene of two cells needs {'a synapse' if synapse is None else 'post, the cell it reaches'}.")
    builder = _Builder(duration, dt, seed)
    if alone:
        builder.cell("cell", _neuron(model), current)
    else:
        builder.pair(pre, _synapse(synapse), post, current, weight, delay, short_term_plasticity, plasticity)
    builder.integrator(integrator)
    shown = type(model if alone else synapse if plasticity is None else plasticity)
    return builder.scene(title or shown.__name__, (inspect.getdoc(shown) or "").split("\n")[0])


def _neuron(model: Any) -> NeuronModel:
    if isinstance(model, type) and issubclass(model, NeuronModel):
        raise ParameterError(f"A scene takes a model, not a class. Write {model.__name__}().")
    if not isinstance(model, NeuronModel):
        raise ParameterError(f"A scene takes a neuron model such as rv.neurons.HodgkinHuxley(), not {model!r}.")
    return model


def _synapse(model: Any) -> SynapseModel:
    if not isinstance(model, SynapseModel):
        raise ParameterError(f"A scene takes a synapse model such as rv.synapses.ExponentialCurrent(), not {model!r}.")
    return model


class _Builder:
    """Gathers the parts of a scene."""

    def __init__(self, duration: float, dt: float, seed: int):
        from ranvier import doors

        self.duration, self.dt = doors.interval(duration, "duration"), doors.interval(dt, "dt")
        self.parts: dict[str, Part] = {}
        self.cells: list[str] = []
        self.synapses: list[dict[str, Any]] = []
        self.stimuli: list[dict[str, str]] = []
        self.populations: list[Population] = []
        self.settings: dict[str, Any] = {"duration": self.duration, "dt": self.dt, "seed": int(seed), "drive": []}
        self.methods: dict[str, Any] = {}

    def cell(self, key: str, model: NeuronModel, current: Any, *, conducts: bool = False) -> None:
        self.parts[key] = made.cell(model, conducts=conducts)
        self.cells.append(key)
        self.populations.append(Population(1, model, name=None if key == "cell" else key))
        kinds: dict[str, str] = {}
        if model.takes_input and model.takes_current:
            given = None if current is None else as_stimulus(current)
            for name, stimulus in self._stimuli(model, given).items():
                kinds[name] = f"{key}.{name}"
                self.parts[kinds[name]] = made.stimulus(stimulus, model.input_unit)
            start = "SquarePulse" if given is None else type(given).__name__ if type(given).__name__ in kinds else "yours"
            self.settings["drive"].append({"kind": start})
        else:
            self.settings["drive"].append(None)
        self.stimuli.append(kinds)

    def _stimuli(self, model: NeuronModel, given: Stimulus | None) -> dict[str, Stimulus]:
        """The currents that a reader can choose from, of the size that the given one has."""
        size = _size(given) if given is not None else 1.0
        on, off = round(0.1 * self.duration, 3), round(0.9 * self.duration, 3)
        stairs = np.linspace(on, off, _STEPS)
        known: dict[str, Stimulus] = {
            "Constant": stimuli.Constant(size),
            "SquarePulse": stimuli.SquarePulse(size, start=on, stop=off),
            "Ramp": stimuli.Ramp(initial=0.0, final=2 * size, start=on, stop=off),
            "Steps": stimuli.Steps(times=stairs, values=size * np.linspace(0.5, 2.0, _STEPS)),
            "Sine": stimuli.Sine(mean=size, amplitude=size, frequency=round(4000.0 / self.duration, 3)),
            "WhiteNoise": stimuli.WhiteNoise(mean=size, intensity=size),
            "poke": stimuli.SquarePulse(2 * size, start=round(0.5 * self.duration, 3), stop=round(0.5 * self.duration, 3) + 2.0),
        }
        if given is not None:
            name = type(given).__name__
            steps_alike = name != "Steps" or np.size(getattr(given, "times", ())) <= _STEPS
            known[name if name in known and type(given) is type(known[name]) and steps_alike else "yours"] = given
        return known

    def pair(
        self, pre: Any, synapse: SynapseModel, post: Any, current: Any, weight: float, delay: float, plastic: Any, rule: Any = None
    ) -> None:
        from ranvier.neurons import SpikeTimes

        train = pre is None
        if train:
            pre = SpikeTimes(times=[])
            self.settings["train"] = {"cell": 0, "start": 20.0, "rate": 50.0, "count": 8, "recovery": 500.0}
        self.cell("pre", _neuron(pre), None if train else current)
        self.cell("post", _neuron(post), current if train and current is not None else 0.0, conducts=made.conductance_of(synapse))
        self.parts["synapse"] = made.synapse(synapse, self.parts["pre"])
        entry: dict[str, Any] = {"key": "synapse", "source": 0, "target": 1}
        if plastic is not None:
            self.parts["plasticity"] = made.plasticity(plastic)
            entry["plasticity"] = "plasticity"
        if rule is not None:
            if not isinstance(rule, PlasticityRule):
                raise ParameterError(f"plasticity takes a rule such as rv.plasticity.PairSTDP(high=100.0), not {rule!r}.")
            if not self.parts["synapse"].facts["delivers"]:
                raise UnsupportedError(f"{type(synapse).__name__} delivers no spikes, so that its weight cannot learn from them.")
            self.parts["rule"] = made.rule(rule, weight_unit("synapse", synapse, (Population(1, post),)))
            entry["rule"] = "rule"
        self.synapses.append(entry)
        self.settings |= {"weight": float(weight), "delay": float(delay)}

    def integrator(self, given: Integrator | None) -> None:
        noisy = any(self.parts[key].facts["noisy"] for key in self.cells)
        known: dict[str, Any] = {"EulerMaruyama": integrators.EulerMaruyama} if noisy else dict(_METHODS)
        if given is not None and type(given).__name__ not in known:
            if not isinstance(given, ExplicitRungeKutta) or noisy:
                raise UnsupportedError(
                    f"A scene does not run {type(given).__name__}. Use one of {', '.join(f'rv.{name}()' for name in known)}; "
                    "rv.simulate runs the others."
                )
            known[type(given).__name__] = type(given)
        for name, method in known.items():
            if issubclass(method, ExplicitRungeKutta):
                self.methods[name] = {"kind": "rungeKutta", "a": method.a, "b": method.b, "c": method.c}
            else:
                self.methods[name] = {"kind": "exponentialEuler" if name == "ExponentialEuler" else "eulerMaruyama"}
        self.settings["integrator"] = next(iter(known)) if given is None else type(given).__name__

    def streams(self) -> list[dict[str, Any]]:
        """Where the random numbers of each cell come from."""
        names = list(Network(*self.populations).populations)
        moving = lambda facts: [facts["variables"][v] for v in facts["moving"]]
        return [of_cell(name, moving(self.parts[key].facts)) for key, name in zip(self.cells, names, strict=True)]

    def scene(self, title: str, summary: str) -> Scene:
        self.settings["P"] = {key: [entry["value"] for entry in part.facts["parameters"]] for key, part in self.parts.items()}
        facts = {
            "title": title,
            "summary": summary,
            "cells": self.cells,
            "synapses": self.synapses,
            "stimuli": self.stimuli,
            "parts": {key: part.facts for key, part in self.parts.items()},
            "integrators": self.methods,
            "streams": self.streams(),
            "settings": self.settings,
        }
        shown = [*self.cells, *(key for key in ("synapse", "plasticity", "rule") if key in self.parts)]
        return Scene(
            title, facts, {key: part.code for key, part in self.parts.items()}, "".join(self.parts[key].equations for key in shown)
        )


def _size(stimulus: Stimulus) -> float:
    """About how strong a current is."""
    for name in ("amplitude", "intensity", "mean", "final", "values"):
        value = getattr(stimulus, name, None)
        if value is not None and np.size(value) and np.isfinite(np.asarray(value, float)).all():
            size = float(np.abs(np.asarray(value, float)).max())
            if size > 0:
                return size
    return 1.0
