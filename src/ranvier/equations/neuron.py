"""Neuron models from text."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from ranvier import doors
from ranvier.equations import dimensions
from ranvier.equations.dimensions import NOISE, NONE, NUMBER, TIME, VOLTAGE, Dimension, Measure, Unknown, per_time
from ranvier.equations.expressions import Expression, evaluate, names_in, noise_apart, product, read
from ranvier.equations.program import (
    Definition,
    Parameter,
    Program,
    ProgramScope,
    checked_functions,
    checked_initial,
    checked_parameters,
    checked_word,
    field_parameters,
    given_value,
    initial_expressions,
)
from ranvier.equations.source import Span
from ranvier.equations.statements import Assignment, Statement, assignments, combined, statements
from ranvier.errors import ParameterError, UnitError, UnsupportedError
from ranvier.model import POSITIVE, PerNeuron, parameter
from ranvier.neurons.base import Inputs, NeuronModel, NeuronState
from ranvier.random import Key

NO_TIME = "The test and the reset see variables and parameters, not the time."
NO_INPUT = "Only derivatives, and what is recorded, see what comes from outside."
KEPT_CLASSES = 1024


def from_equations(
    equations: str,
    *,
    threshold: str | None = None,
    reset: str | None = None,
    refractory: Any = None,
    hazard: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    functions: Mapping[str, Any] | None = None,
    initial: Mapping[str, Any] | None = None,
    current: str = "I",
    name: str = "NeuronFromEquations",
    doc: str = "",
    reference: str = "",
) -> type[NeuronModel]:
    """Makes a neuron model of equations as text. What comes is a class like any other.

    A line is `dx/dt = … : unit`, `x = … : unit` for a name that stands for an expression, or `x : unit` for a parameter; comments begin
    with `#`. `(unless refractory)` behind a unit holds a variable while the neuron is refractory. The membrane potential is called V;
    what reaches the membrane, injected and from synapses, is I. White noise is `xi`, of `1/sqrt(ms)`. Units are checked now.

    Args:
        equations: the text. In it are + - * / **, comparisons, `and`, `or`, `not`, `a if … else b`, the time t, units such as mV, and
            exp, log, log10, log1p, expm1, exprel, sqrt, sin, cos, tan, arcsin, arccos, arctan, sinh, cosh, tanh, abs, sign, floor,
            ceil, min, max, clip, where, int.
        threshold: when the neuron spikes, such as `"V > V_t"`. With a reset where it holds at either end of a step, without where it
            becomes true.
        reset: what a spike does, such as `"V = V_r; w += b"`.
        refractory: for how long it cannot spike again (ms, or `"5 ms"`): a parameter of the class.
        hazard: an expression of the rate at which it fires at random, in place of a threshold.
        parameters: values by name: `"200 pF"`, a quantity, or a plain number where the text says the unit, or for none.
        functions: functions that the text calls, by name: of JAX's operations, or a stimulus; with the unit of what it gives, such as
            `{"drive": (lambda t: jnp.sin(t), "pA")}`. They take and give plain numbers: times in ms, potentials in mV.
        initial: values at the start: numbers, `"-70 mV"`, or expressions of parameters, such as `"E_l"`; 0 where it says nothing.
        current: what the text calls what reaches the membrane.
        name: of the class.
        doc: what `rv.describe` says in the first line.
        reference: the paper.

    Raises:
        ParameterError, UnitError, UnknownNameError, UnsupportedError: with the line of the text and a caret under the place.

    Example:
        >>> import ranvier as rv
        >>> AdEx = rv.neurons.from_equations(
        ...     '''
        ...     dV/dt = (g_l*(E_l - V) + g_l*D*exp((min(V, V_t + 5*D) - V_t)/D) - w + I) / C : mV (unless refractory)
        ...     dw/dt = (a*(V - E_l) - w) / tau_w : pA
        ...     ''',
        ...     threshold="V > V_t + 5*D", reset="V = E_l; w += b", refractory="2 ms", initial={"V": "E_l"},
        ...     parameters={"C": "281 pF", "g_l": "30 nS", "E_l": "-70.6 mV", "V_t": "-50.4 mV", "D": "2 mV",
        ...                 "tau_w": "144 ms", "a": "4 nS", "b": "80 pA"},
        ... )
        >>> [len(rv.simulate(AdEx(b=b), current=1000.0, duration=100.0, dt=0.05).spikes) for b in (0.0, 80.0)]
        [7, 5]
    """
    text = doors.text(equations, "equations")
    texts = {
        "current": checked_word(current, "current", "I"),
        "doc": doors.text(doc, "doc"),
        "reference": doors.text(reference, "reference"),
    }
    for what, one in (("threshold", threshold), ("reset", reset), ("hazard", hazard)):
        if one is not None:
            texts[what] = doors.text(one, what)
    if refractory is not None:
        texts["refractory"] = repr(_refractory(refractory))
    declared = {s.name: s for s in statements(text, "equations") if s.kind == "declared"}
    definition = Definition(
        "neuron",
        checked_word(name, "name", "MyNeuron"),
        text,
        tuple(texts.items()),
        checked_parameters(parameters, declared),
        checked_functions(functions),
        checked_initial(initial),
    )
    return made(definition)


def _refractory(given: Any) -> float:
    if isinstance(given, str) and not re.match(r"\s*[-+.\d]", given):
        raise UnsupportedError(
            f"refractory is {given!r}; it is a time, such as '5 ms', and a parameter of the class. A model without a reset needs none: it "
            "spikes where its threshold is crossed upwards."
        )
    value, unit = given_value(given, "refractory", dimensions_of_ms())
    measure = dimensions.measure(unit or "ms") if unit != "" else dimensions_of_ms()
    if measure.exponents != TIME:
        raise UnitError(f"refractory is in {unit}; it is a time, such as '5 ms'.")
    return doors.number(value * measure.scale * measure.written, "refractory", low=0.0, infinite=True)


def dimensions_of_ms() -> Measure:
    """Milliseconds."""
    return dimensions.measure("ms")


class EquationNeuron(NeuronModel):
    """Base of what `from_equations` makes."""

    definition: ClassVar[Definition]
    program: ClassVar[NeuronProgram]

    def initial_state(self, n: int, key: Key) -> NeuronState:
        return self.program.start(self, n)

    def derivatives(self, state: NeuronState, inputs: Inputs, t: jax.Array) -> NeuronState:
        program, scope = self.program, self.program.scope(self, state, inputs, t)
        return {name: like(scope.kept(name, expression), state[name]) for name, expression in program.derivatives.items()}

    def spiked(self, before: NeuronState, after: NeuronState) -> jax.Array:
        test = self.program.threshold
        if test is None:
            return jnp.zeros(jnp.shape(next(iter(after.values()))), bool)
        first, last = (evaluate(test.node, self.program.scope(self, state)) for state in (before, after))
        return first | last if self.program.resets else ~first & last

    def observables(self, state: NeuronState, inputs: Inputs, t: jax.Array) -> dict[str, Any]:
        scope = self.program.scope(self, state, inputs, t)
        recorded = {name: s.expression for name, s in self.program.defined.items() if s.expression is not None}
        return {name: scope.kept(name, expression) for name, expression in recorded.items()}

    def unit_of(self, name: str) -> str:
        defined = self.program.defined.get(name)
        return super().unit_of(name) if defined is None else defined.measure.unit

    def __reduce__(self) -> Any:
        return _again, (self.definition, {f.name: getattr(self, f.name) for f in dataclasses.fields(self)})


def _again(definition: Definition, values: dict[str, Any]) -> Any:
    """A copy of an object, in another process too."""
    cls = made(definition)
    return object.__new__(cls).with_values(values) if values else cls()


def _reset(self: EquationNeuron, state: NeuronState, spiked: jax.Array) -> NeuronState:
    program = self.program
    now = dict(state)
    for one in program.resets:
        value = program.scope(self, now).kept(one.name, one.expression)
        now[one.name] = like(jnp.where(spiked, value, state[one.name]), state[one.name])
    return {one.name: now[one.name] for one in program.resets}


def _diffusion(self: EquationNeuron, state: NeuronState) -> dict[str, Any]:
    scope = self.program.scope(self, state)
    result: dict[str, Any] = {}
    for name, each in self.program.noise.items():
        strengths = [scope.kept(name, expression) for expression in each]
        strength = strengths[0] if len(strengths) == 1 else jnp.sqrt(sum(s * s for s in strengths))
        result[name] = like(strength, state[name])
    return result


def _spike_hazard(self: EquationNeuron, state: NeuronState, t: jax.Array) -> jax.Array:
    assert self.program.hazard is not None
    return evaluate(self.program.hazard.node, self.program.scope(self, state, None, t))


def like(value: Any, variable: jax.Array) -> Any:
    """A value in the precision of a variable: what has the time in it is in double."""
    dtype = getattr(value, "dtype", variable.dtype)
    return value if dtype == variable.dtype else jnp.asarray(value).astype(variable.dtype)


class NeuronProgram(Program):
    """The equations of a neuron, checked."""

    def __init__(self, definition: Definition):
        whole = Span.of(definition.equations, "equations")
        lines = statements(definition.equations, "equations")
        if not lines:
            raise whole.refused(ParameterError, "there is no equation.")
        check_once(lines, definition)
        resets = assignments(definition.text("reset") or "", "reset")
        self.current = definition.text("current") or "I"
        changed = {one.name for one in resets}
        declared = {s.name: s for s in lines if s.kind == "declared" and s.name != self.current}
        moving = {s.name: s for s in lines if s.kind == "derivative"}
        still = {name: s for name, s in declared.items() if name in changed}
        variables = {name: _kept(s) for name, s in {**moving, **still}.items()}
        parameters = field_parameters(definition, {n: s for n, s in declared.items() if n not in still}, (), NeuronModel)
        check_apart(variables, parameters, lines, definition)
        unknown = Unknown()
        told = next((s.measure for s in lines if s.name == self.current and s.kind == "declared"), None)
        outside = {"t": Dimension(TIME), **self._noises(lines), self.current: Dimension(NONE, 1.0)}
        if told is not None:
            unknown.found = told.exponents
        super().__init__(definition, lines, variables, parameters, outside, unknown)
        self.hears = any(self.current in self.depends(s.expression) for s in moving.values() if s.expression is not None)
        self._check_potential(lines, moving)
        for _ in range(2):  # what comes from outside is known after the first time
            self._check_derivatives(moving)
        self.input = self._input(told, moving)
        self.scales[self.current] = self.input.scale
        self.derivatives, self.noise = self._apart(moving)
        self.held = tuple(s.name for s in moving.values() if "unless refractory" in s.flags)
        self.resets = self._checked_resets(resets, variables)
        self.threshold = self._condition()
        self.hazard = self._hazard()
        self._check_firing(declared, lines)
        vocabulary = self.vocabulary({self.current: NO_INPUT, "t": "It is the start.", **dict.fromkeys(self.variables, "Write it out.")})
        self.first = initial_expressions(self, self.variables, vocabulary)
        for s in moving.values():
            if s.expression is not None:
                self.check_calls(s.expression)
        self.check_used(lines)

    def _noises(self, lines: list[Statement]) -> dict[str, Dimension]:
        names = {n.id for s in lines if s.expression is not None for n in names_in(s.expression.node) if _is_noise(n.id)}
        return dict.fromkeys(names, Dimension(NOISE))

    def _check_potential(self, lines: list[Statement], moving: Mapping[str, Statement]) -> None:
        """What reaches a membrane moves V."""
        if "V" in self.variables:
            if self.variables["V"].exponents not in (VOLTAGE, NONE):
                unit = self.variables["V"].unit
                place = next(s.place for s in lines if s.name == "V")
                raise place.refused(UnitError, f"V is the membrane potential, in mV (or a number without a unit), not {unit}.")
            return
        for name, s in moving.items():
            if name.lower() in ("v", "vm", "v_m", "u") and (name == "v" or s.measure.exponents == VOLTAGE):
                raise s.place.refused(ParameterError, f"the membrane potential is called V here: write V in place of {name} everywhere.")
        if self.hears:
            s = next(s for s in moving.values() if s.expression is not None and self.current in self.depends(s.expression))
            raise s.span.refused(ParameterError, f"{self.current} reaches a membrane, whose potential is called V: there is no dV/dt.")

    def _check_derivatives(self, moving: Mapping[str, Statement]) -> None:
        self.check_defined()
        for name, s in moving.items():
            assert s.expression is not None
            unit = self.variables[name].unit
            said = f"{name} is in {unit}, so d{name}/dt must be in {unit}/ms"
            self.vocabulary().expect(s.expression, Dimension(per_time(self.variables[name].exponents)), said)

    def _input(self, told: Measure | None, moving: Mapping[str, Statement]) -> Measure:
        if told is not None or not self.hears:
            return told or dimensions.measure("pA")
        found = self.unknown.found
        measure = dimensions.usual(found) if found is not None else None
        if measure is None:
            s = next(s for s in moving.values() if s.expression is not None and self.current in self.depends(s.expression))
            raise s.span.refused(
                UnitError, f"the unit of {self.current} does not follow from this. Say it in a line: '{self.current} : pA'."
            )
        return measure

    def _apart(self, moving: Mapping[str, Statement]) -> tuple[dict[str, Expression], dict[str, list[Expression]]]:
        """What moves each variable, and how strongly noise does."""
        derivatives: dict[str, Expression] = {}
        noise: dict[str, list[Expression]] = {}
        driven: dict[str, str] = {}
        for name, s in self.defined.items():
            if s.expression is not None and any(map(_is_noise, s.expression.names)):
                raise s.span.refused(
                    UnsupportedError, f"white noise belongs into the derivative itself: write it there in place of {name}."
                )
        for name, s in moving.items():
            assert s.expression is not None
            plain, noisy = noise_apart(s.expression, s.expression.node, _is_noise)
            for one, factor in noisy.items():
                if one in driven:
                    message = f"{one} drives {driven[one]} already, and each variable has noise of its own here."
                    message += f" Where it is independent, call it xi_{name}."
                    raise s.expression.refused(factor, UnsupportedError, message)
                driven[one] = name
                noise.setdefault(name, []).append(s.expression.with_node(factor))
            zero = product(None, read(Span.of("0.0", "equations")).node, s.expression.node)
            derivatives[name] = s.expression.with_node(zero if plain is None else plain)
        without = self.vocabulary({self.current: NO_INPUT, "t": "The strength of noise sees variables and parameters, not the time."})
        for each in noise.values():
            for expression in each:
                without.value(expression, expression.node)
        return derivatives, noise

    def _seen_by_tests(self) -> Any:
        noises = dict.fromkeys((n for n in self.kinds if _is_noise(n)), "White noise moves a variable, and does nothing else.")
        return self.vocabulary({self.current: NO_INPUT, "t": NO_TIME, **noises})

    def _checked_resets(self, given: list[Assignment], variables: Mapping[str, Measure]) -> tuple[Assignment, ...]:
        result = []
        for one in given:
            if one.name not in variables:
                what = "a parameter" if one.name in self.parameters else "defined" if one.name in self.defined else "not a variable"
                hint = f" A line '{one.name} : unit' makes it one." if what != "defined" else ""
                raise one.place.refused(ParameterError, f"{one.name} is {what}, and a spike changes variables.{hint}")
            result.append(checked_assignment(one, self._seen_by_tests(), variables[one.name]))
        return tuple(result)

    def _condition(self) -> Expression | None:
        text = self.definition.text("threshold")
        if text is None:
            return None
        expression = read(Span.of(text, "threshold"))
        self._seen_by_tests().condition(expression, expression.node)
        return expression

    def _hazard(self) -> Expression | None:
        text = self.definition.text("hazard")
        if text is None:
            return None
        expression = read(Span.of(text, "hazard"))
        vocabulary = self.vocabulary({self.current: NO_INPUT})
        vocabulary.expect(expression, Dimension(per_time(NONE)), "a hazard is a rate, such as 10*Hz")
        return expression

    def _check_firing(self, declared: Mapping[str, Statement], lines: list[Statement]) -> None:
        if self.threshold is not None and self.hazard is not None:
            raise ParameterError("threshold and hazard are two ways to say when a neuron spikes: give one of them.")
        if self.threshold is None and self.hazard is None and self.resets:
            raise ParameterError("reset says what a spike does, but nothing says when there is one: give threshold='V > V_t', or hazard.")
        timed = self.definition.text("refractory") is not None or "refractory" in declared
        if self.held and not timed:
            place = next(s for s in lines if "unless refractory" in s.flags).span
            raise place.refused(ParameterError, "for how long is it refractory? Give refractory='5 ms'.")
        if timed and self.threshold is None and self.hazard is None:
            raise ParameterError(
                "refractory is how long a neuron cannot spike again, but nothing says when it does: give threshold or hazard."
            )

    def scope(self, model: Any, state: NeuronState, inputs: Inputs | None = None, t: Any = None) -> ProgramScope:
        """The values of names, given a state."""
        values: dict[str, Any] = {name: functools.partial(state.__getitem__, name) for name in self.variables}
        values["t"] = lambda: t
        if inputs is not None and "V" in self.variables:
            values[self.current] = lambda: inputs.current(state["V"])
        return ProgramScope(self, model, values)

    def start(self, model: Any, n: int) -> NeuronState:
        """The state at the start."""
        scope = ProgramScope(self, model, {})
        values = {name: self.first.get(name, 0.0) for name in self.variables}
        return {name: jnp.full(n, scope.kept(name, v) if isinstance(v, Expression) else v) for name, v in values.items()}

    def shown(self) -> str:
        """The equations, as `rv.describe` prints them."""
        lines = [f"d{name}/dt = {written(s.expression)}" for name, s in self._lines("derivative")]
        lines += [f"{name} = {written(s.expression)}" for name, s in self._lines("defined")]
        test = written(self.threshold) if self.threshold is not None else "at random, with the rate " + written(self.hazard)
        if self.threshold is None and self.hazard is None:
            return "\n".join(lines)
        does = [shown_assignment(one) for one in assignments(self.definition.text("reset") or "", "reset")]
        held = [f"and {', '.join(self.held)} is held for `refractory`"] if self.held else []
        return "\n".join([*lines, f"{test}: {', '.join(['a spike', *does, *held])}"])

    def _lines(self, kind: str) -> list[tuple[str, Statement]]:
        return [(s.name, s) for s in statements(self.definition.equations, "equations") if s.kind == kind]


def checked_assignment(one: Assignment, vocabulary: Any, measure: Measure) -> Assignment:
    """An assignment whose right side is the whole new value, its unit checked."""
    kind = Dimension(measure.exponents)
    wanted, says = (NUMBER, "a factor has no unit") if one.sign in ("*", "/") else (kind, f"{one.name} is in {measure.unit}")
    vocabulary.expect(one.expression, wanted, says)
    old = product(None, read(Span.of(one.name, one.span.what)).node, one.expression.node)
    return dataclasses.replace(one, sign="=", expression=one.expression.with_node(combined(one, old)))


def shown_assignment(one: Assignment) -> str:
    """An assignment, as `rv.describe` prints it."""
    right = written(one.expression)
    if one.sign != "=":
        right = f"{one.name} {one.sign} {right if one.sign in '+' else f'({right})'}"
    return f"{one.name} = {right}"


def written(expression: Expression | None) -> str:
    """An expression, as `rv.describe` prints it."""
    if expression is None:
        return ""
    text = "\n".join(line.partition("#")[0] for line in expression.span.own.replace("\\\n", " ").split("\n"))
    return " ".join(text.split()).replace("**", "^")


def _is_noise(name: str) -> bool:
    return name == "xi" or name.startswith("xi_")


def _kept(s: Statement) -> Measure:
    """The unit that a variable is kept in: a potential V is in mV, where synapses meet it."""
    return dimensions.measure("mV") if s.name == "V" and s.measure.exponents == VOLTAGE else s.measure


def check_once(lines: list[Statement], definition: Definition) -> None:
    """Each name is defined once."""
    seen: dict[str, Statement] = {}
    functions = {name for name, _, _ in definition.functions}
    for s in lines:
        if s.name in seen:
            first = seen[s.name].span.own.strip().splitlines()[0]
            raise s.place.refused(ParameterError, f"{s.name} is defined twice; first by '{first}'.")
        if s.name in functions:
            raise s.place.refused(ParameterError, f"{s.name} is one of the functions, too.")
        seen[s.name] = s


def check_apart(
    variables: Mapping[str, Measure], parameters: Mapping[str, Parameter], lines: list[Statement], definition: Definition
) -> None:
    """What is given as arguments is not in the text too.

    Raises:
        ParameterError: it is.
    """
    defined = {s.name for s in lines if s.kind != "declared"} | set(variables)
    for name, _, _ in definition.parameters:
        if name in defined:
            hint = " Its value at the start is given by initial={…}." if name in variables else ""
            raise ParameterError(f"parameters[{name!r}]: {name} is in the equations already.{hint}")
    for name, _, _ in definition.functions:
        if name in parameters:
            raise ParameterError(f"functions[{name!r}]: {name} is a parameter already.")


@functools.lru_cache(KEPT_CLASSES)
def _made(definition: Definition) -> type[EquationNeuron]:
    program = NeuronProgram(definition)
    timed = frozenset(_with_time(program))
    body = program.fields(double=timed)
    refractory = definition.text("refractory")
    if refractory is not None:
        if "refractory" in program.kinds:
            raise ParameterError("refractory is in the equations already: declare it there alone, with its value in parameters.")
        body["refractory"] = parameter(float(refractory), "ms", POSITIVE, "how long it cannot spike again")
        body["__annotations__"]["refractory"] = PerNeuron
    body |= {
        "__module__": "ranvier.equations.neuron",
        "__doc__": definition.text("doc") or "Made from equations.",
        "definition": definition,
        "program": program,
        "equations": program.shown(),
        "reference": definition.text("reference") or "",
        "input_unit": program.input.unit,
        "takes_input": "V" in program.variables,
        "takes_current": program.hears,
        "has_spikes": program.threshold is not None or program.hazard is not None,
        "held": program.held,
        "variable_units": {n: m.unit for n, m in program.variables.items()},
    }
    if program.resets:
        body["reset"] = _reset
    if program.noise:
        body["diffusion"] = _diffusion
    if program.hazard is not None:
        body["spike_hazard"] = _spike_hazard
    return type(definition.name, (EquationNeuron,), body)


def _with_time(program: NeuronProgram) -> list[str]:
    """Parameters that are times, beside `t` in an equation: they are compared with it, and so kept as exactly."""
    everything = [*program.derivatives.values(), *(s.expression for s in program.defined.values() if s.expression is not None)]
    beside = {name for e in everything if "t" in program.depends(e) for name in program.depends(e)}
    return [name for name, p in program.parameters.items() if name in beside and p.measure.exponents == TIME]


def made(definition: Definition) -> type[EquationNeuron]:
    """The class of a definition; equal definitions have one."""
    if any(isinstance(value, np.ndarray) for _, value, _ in definition.functions):
        raise AssertionError(definition)
    return _made(definition)
