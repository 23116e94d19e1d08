"""The parts of a scene: what the page needs to know of a cell, a synapse, a stimulus, and their code."""

from __future__ import annotations

import dataclasses
import html
import inspect
import math
import sys
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.equations import mathml
from ranvier.errors import ParameterError, UnsupportedError
from ranvier.lab.javascript import CELL, NUMBER, TRUTH, Program, leaves_by_name, users_code
from ranvier.model import INPUT, Model
from ranvier.neurons.base import Inputs, NeuronModel
from ranvier.plasticity.base import PlasticityRule, by_potential, overrides
from ranvier.plasticity.homeostasis import NoHomeostasis
from ranvier.random import Distribution, Key
from ranvier.stimuli.base import Stimulus
from ranvier.synapses.base import Presynaptic, SynapseModel


@dataclasses.dataclass(frozen=True)
class Part:
    """A part of a scene: what the page is told of it, and its functions as JavaScript."""

    facts: dict[str, Any]
    code: str
    equations: str = ""


def _variables(model: Any, key: Key) -> list[str]:
    """The names of the state's variables, in the model's own order."""
    order: list[str] = []

    def note(model: Any) -> Any:
        state = model.initial_state(1, key)
        order.extend(state)
        return state

    with jax.enable_x64(True), users_code(f"{type(model).__name__}.initial_state"):
        jax.eval_shape(note, model)
    return order


def _as_list(values: Mapping[str, Any], names: list[str]) -> list[Any]:
    return [jnp.broadcast_to(jnp.asarray(values[name]), (1,)) for name in names]


class _Writer:
    """Writes the functions that cells, synapses and plasticity have in common."""

    def __init__(self, model: Any):
        self.model = model
        self.parameters = parameters(model)
        self.program = Program(model)
        self.variables = _variables(model, Key(0))
        self.place = {name: i for i, name in enumerate(self.variables)}
        self.state = dict.fromkeys(self.variables, CELL)
        self.moving: list[str] = []
        self.program.function("initial", "", lambda m: _as_list(m.initial_state(1, Key(0)), self.variables), [], [], "", alone=False)

    def at(self, array: str, place: Mapping[str, int] | None = None) -> Callable[[str], str]:
        return lambda name: f"{array}[{(self.place if place is None else place)[name]}]"

    def rates(self, arguments: str, derivatives: Callable[..., Any], shapes: list[Any], names: list[Any]) -> None:
        """`derivatives`, and `slopes`: of each variable's derivative by the variable itself."""

        def rate(model: Any, state: Any, *rest: Any) -> list[Any]:
            found = derivatives(model, state, *rest)
            strange = [name for name in found if name not in self.place]
            if strange:
                raise ParameterError(
                    f"{type(model).__name__}.derivatives returns {strange[0]!r}, which is not in its initial_state. "
                    f"Known: {', '.join(self.variables)}."
                )
            self.moving = [name for name in self.variables if name in found]
            return _as_list(found, self.moving)

        def slope(model: Any, state: Any, *rest: Any) -> list[Any]:
            slopes = []
            for name in self.moving:
                own = lambda x, name=name: jnp.broadcast_to(derivatives(model, {**state, name: x}, *rest)[name], (1,))
                slopes.append(jax.jvp(own, (state[name],), (jnp.ones(1),))[1])
            return slopes

        given = ([self.state, *shapes], [self.at("s"), *names])
        self.program.function("derivatives", f"s,{arguments},d", rate, *given, into="d")
        if self.moving:
            self.program.function("slopes", f"s,{arguments},d", slope, *given, into="d")

    def facts(self, **more: Any) -> dict[str, Any]:
        return {
            "class": type(self.model).__name__,
            "summary": (inspect.getdoc(type(self.model)) or "").split("\n")[0],
            "variables": self.variables,
            "moving": [self.place[name] for name in self.moving],
            "parameters": self.parameters,
            **more,
        }


def parameters(model: Any, input_unit: str = "1") -> list[dict[str, Any]]:
    """What the page needs of each parameter, in the order of `P`.

    Raises:
        ParameterError: a parameter is a distribution, or has a value a neuron.
    """
    found = []
    for name, info, value in leaves_by_name(model):
        if isinstance(value, Distribution) or (info.per != "sample" and np.size(value) > 1):
            raise ParameterError(
                f"A scene has one cell of a kind, but {type(model).__name__}.{name} is {value!r}. Give one number, such as "
                f"{type(model).__name__}({name.rpartition('.')[2]}=1.0)."
            )
        array = np.asarray(getattr(value, "magnitude", value), np.float64)
        entry: dict[str, Any] = {
            "name": name,
            "unit": input_unit if info.unit == INPUT else info.unit,
            "text": info.text,
            "value": finite(array.item())
            if array.ndim == 0 or (array.size == 1 and info.per != "sample")
            else [finite(x) for x in array.ravel()],
        }
        if info.low > -math.inf:
            entry["low"] = info.low
        if info.high < math.inf:
            entry["high"] = info.high
        found.append(entry)
    return found


def finite(value: float) -> float | str:
    """A number as JSON can carry it; what it cannot, as JavaScript's `Number` reads it."""
    return value if math.isfinite(value) else "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _presets(model: Model) -> list[dict[str, Any]]:
    """The class's named sets of parameters: class methods that need no argument and return a model like this one."""
    found = []
    structure = jax.tree.structure(model)
    for name, member in vars(type(model)).items():
        if not isinstance(member, classmethod) or name.startswith("_"):
            continue
        signature = inspect.signature(getattr(type(model), name))
        if any(p.default is p.empty and p.kind is not p.VAR_KEYWORD for p in signature.parameters.values()):
            continue
        made = getattr(type(model), name)()
        if type(made) is type(model) and jax.tree.structure(made) == structure:  # type: ignore[operator]
            values = [entry["value"] for entry in parameters(made)]
            found.append(
                {"name": name.replace("_", " "), "call": name, "text": (inspect.getdoc(member) or "").split("\n")[0], "values": values}
            )
    return found


def constructor(model: Any, module_names: Mapping[str, str]) -> dict[str, Any]:
    """How to write a model in Python: its class, and for each argument a parameter's place in `P` or another model."""
    counter = [0]

    def described(model: Any, default: Any) -> dict[str, Any]:
        arguments = []
        for field in dataclasses.fields(model):
            value = getattr(model, field.name)
            info = field.metadata.get("parameter")
            fresh = None if field.default is dataclasses.MISSING else field.default
            inherited = getattr(default, field.name, None) if type(default) is type(model) else None
            if info is not None:
                entry = {"name": info.alias or field.name, "at": counter[0], "own": _plain(fresh), "inherited": _plain(inherited)}
                counter[0] += 1
                arguments.append(entry)
            elif isinstance(value, Mapping):
                items = {name: described(part, None) for name, part in sorted(value.items())}
                arguments.append({"name": field.name, "items": items})
            elif "component" in field.metadata:
                arguments.append({"name": field.name, "part": described(value, fresh)})
            elif fresh != value:
                arguments.append({"name": field.name, "is": repr(value)})
        return {"class": _public_name(type(model), module_names), "same": type(default) is type(model), "arguments": arguments}

    return described(model, None)


def _plain(value: Any) -> Any:
    return finite(float(value)) if value is not None and np.ndim(value) == 0 and not isinstance(value, Distribution) else None


def _public_name(cls: type, module_names: Mapping[str, str]) -> str:
    """`rv.neurons.HodgkinHuxley`, or a class's own name where it is not one of Ranvier's."""
    for module, short in module_names.items():
        if getattr(sys.modules.get(module), cls.__name__, None) is cls:
            return f"{short}.{cls.__name__}"
    return cls.__name__


def _equations(model: Any, name: str = "") -> str:
    """The equations of a model and of its components, drawn, with their source. All text is escaped."""
    title = html.escape(f"{name}: {type(model).__name__}" if name else type(model).__name__)
    box = f'<div class="equation" tabindex="0" role="group" aria-label="equations of {title}">'  # it scrolls by the keyboard too
    drawn = f"<h2>{title}</h2>" + (f"{box}{mathml(model.equations)}</div>" if model.equations else "")
    drawn += f"<p>{html.escape(model.reference)}</p>" if model.reference else ""
    for field in dataclasses.fields(model):
        if "component" in field.metadata:
            value = getattr(model, field.name)
            for its_name, part in value.items() if isinstance(value, Mapping) else [(field.name, value)]:
                drawn += _equations(part, its_name) if isinstance(part, Model) else ""
    return drawn


PUBLIC = {f"ranvier.{kind}": f"rv.{kind}" for kind in ("neurons", "channels", "synapses", "stimuli", "models", "plasticity")}


def cell(model: NeuronModel, *, conducts: bool = False) -> Part:
    """A neuron.

    Args:
        model: the neuron.
        conducts: whether conductances reach it, not currents alone.

    Raises:
        UnsupportedError: an operation of its equations cannot be written as JavaScript.
    """
    writer = _Writer(model)
    program, state = writer.program, writer.state
    with_inputs = ([state, CELL, CELL, NUMBER], [writer.at("s"), "g", "I", "t"])
    inputs = lambda g, i: Inputs(g if conducts else jnp.zeros(1), i, conducts=conducts)
    writer.rates("g,I,t", lambda m, s, g, i, t: m.derivatives(s, inputs(g, i), t), with_inputs[0][1:], with_inputs[1][1:])

    fires, given = "test", None
    if model.fires_by_hazard:
        fires = "hazard"
        program.function(
            "hazard", "s,t", lambda m, s, t: [jnp.broadcast_to(m.spike_hazard(s, t), (1,))], [state, NUMBER], [writer.at("s"), "t"]
        )
    elif type(model).spike_times is not NeuronModel.spike_times:
        fires, given = "given", [float(t) for t in (model.spike_times() or ((), ()))[0]]
    else:
        program.function("spiked", "b,a", lambda m, b, a: [m.spiked(b, a)], [state, state], [writer.at("b"), writer.at("a")])
    resets = type(model).reset is not NeuronModel.reset
    if resets:
        program.function(
            "reset",
            "s,d",
            lambda m, s: _as_list({**s, **m.reset(s, jnp.ones(1, bool))}, writer.variables),
            [state],
            [writer.at("s")],
            into="d",
        )
    if model.noisy:
        none = dict.fromkeys(writer.variables, 0.0)
        program.function(
            "diffusion", "s,d", lambda m, s: _as_list({**none, **m.diffusion(s)}, writer.moving), [state], [writer.at("s")], into="d"
        )
    observed: list[str] = []

    def observables(m: Any, s: Any, g: Any, current: Any, t: Any) -> list[Any]:
        found = m.observables(s, inputs(g, current), t)
        observed.extend(name for name in found if name not in observed)
        return _as_list(found, observed)

    program.function("observables", "s,g,I,t,d", observables, *with_inputs, into="d")
    names = [entry["name"] for entry in writer.parameters]
    facts = writer.facts(
        kind="cell",
        inputUnit=model.input_unit,
        units={name: model.unit_of(name) for name in (*writer.variables, *observed)},
        observables=observed,
        held=[writer.place[name] for name in model.held if name in writer.place],
        fires=fires,
        resets=resets,
        noisy=model.noisy,
        takesInput=model.takes_input and model.takes_current,
        refractory=names.index("refractory") if "refractory" in names else -1,
        threshold=names.index("threshold") if "threshold" in names and "V" in writer.place else -1,
        presets=_presets(model),
        python=constructor(model, PUBLIC),
    )
    return Part({**facts, **({"given": given} if given is not None else {})}, program.text(), _equations(model))


def conductance_of(synapse: SynapseModel) -> bool:
    """Whether a synapse conducts, rather than injecting a current alone."""
    if type(synapse).transmit is SynapseModel.transmit:
        return False
    conducts: list[bool] = []

    def look(s: Any, state: Any, V: Any) -> Any:
        conductance, offset = s.membrane_input(s.transmit(state, Presynaptic({"V": V}), jnp.zeros(())), V)
        conducts.append(not (isinstance(conductance, float) and conductance == 0.0))
        return offset

    with jax.enable_x64(True):
        jax.eval_shape(look, synapse, dict.fromkeys(_variables(synapse, Key(0)), CELL), CELL)
    return conducts[0]


def synapse(model: SynapseModel, pre: Part) -> Part:
    """A synapse from one cell onto another.

    Raises:
        UnsupportedError: it keeps its state at the edges, or an operation cannot be written as JavaScript.
    """
    if model.site == "edge":
        raise UnsupportedError(
            f"{type(model).__name__} keeps its state at the edges; a scene draws synapses of the sites 'source' and 'target'."
        )
    writer = _Writer(model)
    program, state = writer.program, writer.state
    theirs = {name: i for i, name in enumerate(pre.facts["variables"])}
    from_source = model.site == "source"
    seen = lambda q: Presynaptic(q) if from_source else None
    other, its_name = dict.fromkeys(theirs, CELL), writer.at("q", theirs)
    writer.rates("q,t", lambda m, s, q, t: m.derivatives(s, seen(q), t), [other, NUMBER], [its_name, "t"])
    if model.emits:
        program.function(
            "emit", "s,spiked,t,d", lambda m, s, spiked, t: _as_list({**s, **m.emit(s, spiked, t)[0]}, writer.variables),
            [state, TRUTH, NUMBER], [writer.at("s"), "spiked", "t"], into="d",
        )  # fmt: skip
    receives = type(model).receive is not SynapseModel.receive
    if receives:
        program.function(
            "receive",
            "s,x,d",
            lambda m, s, x: _as_list({**s, **m.receive(s, x)}, writer.variables),
            [state, CELL],
            [writer.at("s"), "x"],
            into="d",
        )
    kicks = type(model).kick is not SynapseModel.kick
    if kicks:
        program.function("kick", "x", lambda m, x: [m.kick(x)], [CELL], ["x"])
    transmits = type(model).transmit is not SynapseModel.transmit
    if transmits:

        def reaches(m: Any, s: Any, q: Any, w: Any, V: Any, t: Any) -> list[Any]:
            sent = m.transmit(s, seen(q), t)
            weighted = jax.tree.map(lambda x: x * w, sent) if from_source else sent
            return [jnp.broadcast_to(x, (1,)) for x in m.membrane_input(weighted, V)]

        shapes = [state, other, CELL, CELL, NUMBER]
        program.function("input", "s,q,w,V,t,d", reaches, shapes, [writer.at("s"), its_name, "w", "V", "t"], into="d")
    facts = writer.facts(
        kind="synapse",
        units={name: model.variable_units.get(name, "1") for name in writer.variables},
        emits=model.emits,
        delivers=receives or kicks,
        receives=receives,
        kicks=kicks,
        transmits=transmits,
        conducts=conductance_of(model),
        weight=model.weight,
        presets=_presets(model),
        python=constructor(model, PUBLIC),
    )
    return Part(facts, program.text(), _equations(model))


def plasticity(model: Any) -> Part:
    """Short-term plasticity: what each spike carries."""
    writer = _Writer(model)

    def emit(m: Any, s: Any, spiked: Any, since: Any) -> list[Any]:
        after, amplitude = m.emit(s, spiked, since)
        return [*_as_list({**s, **after}, writer.variables), amplitude]

    shapes = [writer.state, TRUTH, CELL]
    writer.program.function("emit", "s,spiked,since,d", emit, shapes, [writer.at("s"), "spiked", "since"], into="d")
    facts = writer.facts(kind="plasticity", presets=_presets(model), python=constructor(model, PUBLIC))
    return Part(facts, writer.program.text(), _equations(model))


def rule(model: PlasticityRule, weight_unit: str) -> Part:
    """A rule by which a weight changes at the spikes of both sides.

    Args:
        model: one that asks for spikes alone.
        weight_unit: of the weights.

    Raises:
        UnsupportedError: it asks for more than the traces of spikes, or an operation cannot be written as JavaScript.
    """
    kinds: tuple[dict[str, Any], dict[str, Any]] = (dict(model.pre_traces()), dict(model.post_traces()))
    beyond = {
        "variables of its own at each edge": bool(model.edge_state()),
        "a third factor": model.modulator() is not None,
        "a change now and then": overrides(model, "update") or not isinstance(model.homeostasis, NoHomeostasis),
        "the target's potential": by_potential(model),
    }
    asked = [what for what, wanted in beyond.items() if wanted]
    if asked:
        raise UnsupportedError(
            f"{type(model).__name__} asks for {' and '.join(asked)}; a scene has the traces of spikes alone. "
            "rv.simulate runs it, and ranvier lab shows its weights while it does."
        )
    program = Program(model)
    names = [f"{name} (arrivals)" for name in kinds[0]], [f"{name} (spikes)" for name in kinds[1]]
    given = [dict.fromkeys(kinds[0], CELL), dict.fromkeys(kinds[1], CELL)]
    place = [{name: 1 + i for i, name in enumerate(kinds[0])}, {name: 1 + len(kinds[0]) + i for i, name in enumerate(kinds[1])}]
    at = lambda which: lambda name: f"s[{place[which][name]}]"

    def changed(method: str) -> Callable[..., list[Any]]:
        def call(m: PlasticityRule, weight: Any, pre: Any, post: Any) -> list[Any]:
            new = getattr(m, method)({"weight": weight}, pre, {**post, "dt": jnp.zeros(())}, None).get("weight", weight)
            return [jnp.broadcast_to(jnp.clip(new, m.low, m.high), (1,))]

        return call

    try:
        for name, method in (("arrival", "on_pre"), ("fired", "on_post")):
            program.function(name, "s", changed(method), [CELL, *given], ["s[0]", at(0), at(1)])
    except ParameterError as error:
        if not isinstance(error.__cause__, KeyError):
            raise
        raise UnsupportedError(
            f"{type(model).__name__} asks for the target's {error.__cause__}; a scene has the traces of spikes alone. rv.simulate runs it."
        ) from None

    def traces(m: PlasticityRule, dt: Any) -> list[Any]:
        both: list[Any] = [*m.pre_traces().values(), *m.post_traces().values()]
        return [*(jnp.exp(-dt / t.tau) for t in both), *(jnp.asarray(t.jump, float) for t in both)]

    program.function("traces", "dt", traces, [NUMBER], ["dt"], alone=False)
    variables = ["weight", *names[0], *names[1]]
    facts = {
        "kind": "rule",
        "class": type(model).__name__,
        "summary": (inspect.getdoc(type(model)) or "").split("\n")[0],
        "variables": variables,
        "moving": [],
        "units": {**dict.fromkeys(variables, "1"), "weight": weight_unit},
        "arrivals": len(names[0]),
        "nearest": [bool(t.nearest) for kind in kinds for t in kind.values()],
        "bySize": float(np.asarray(model.low)) >= 0,
        "parameters": parameters(model, weight_unit),
        "presets": _presets(model),
        "python": constructor(model, PUBLIC),
    }
    return Part(facts, program.text(), _equations(model))


def stimulus(model: Stimulus, input_unit: str) -> Part:
    """A current as a function of time.

    Raises:
        UnsupportedError: an operation of it cannot be written as JavaScript.
    """
    program = Program(model)
    program.function("current", "t", lambda m, t: [m(t)], [NUMBER], ["t"])
    noisy = model.noise(np.float64(0.0)) is not None
    if noisy:
        program.function("noise", "t", lambda m, t: [m.noise(t)], [NUMBER], ["t"])
    facts = {
        "kind": "stimulus",
        "class": type(model).__name__,
        "summary": (inspect.getdoc(type(model)) or "").split("\n")[0],
        "parameters": parameters(model, input_unit),
        "noisy": noisy,
        "python": constructor(model, PUBLIC),
    }
    return Part(facts, program.text())
