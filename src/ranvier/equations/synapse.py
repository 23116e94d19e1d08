"""Synapse models from text."""

from __future__ import annotations

import ast
import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from ranvier import doors
from ranvier.equations import dimensions
from ranvier.equations.dimensions import NONE, TIME, VOLTAGE, Dimension, Unknown, per_time
from ranvier.equations.expressions import Expression, Node, evaluate, noise_apart
from ranvier.equations.neuron import (
    KEPT_CLASSES,
    check_apart,
    check_once,
    checked_assignment,
    like,
    shown_assignment,
    written,
)
from ranvier.equations.program import (
    Definition,
    Program,
    ProgramScope,
    checked_functions,
    checked_initial,
    checked_parameters,
    checked_word,
    field_parameters,
    initial_expressions,
)
from ranvier.equations.source import Span
from ranvier.equations.statements import Assignment, Statement, assignments, statements
from ranvier.equations.terms import Term, degree, in_potential, terms
from ranvier.errors import ParameterError, UnitError, UnsupportedError
from ranvier.random import Key
from ranvier.synapses.base import Presynaptic, SynapseModel, SynapseState

WEIGHT = "w"
CURRENTS = ("I", "I_post")
POTENTIALS = ("V", "V_post")
NO_POTENTIAL = "The state of a synapse does not see the target's potential, only I does."
NO_WEIGHT = "The engine multiplies by the weight: it stands in on_pre or in I."


def from_equations(
    equations: str = "",
    *,
    on_pre: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    functions: Mapping[str, Any] | None = None,
    initial: Mapping[str, Any] | None = None,
    name: str = "SynapseFromEquations",
    doc: str = "",
    reference: str = "",
) -> type[SynapseModel]:
    """Makes a synapse model of equations as text. What comes is a class like any other.

    Lines are as those of `rv.neurons.from_equations`. The line `I = … : pA` is the current into the target, whose potential is V (or
    `V_post`); `V_pre` is the potential of the source, w the weight of the projection. Where w stands says where the state lives:

    - in `on_pre`, as in `"g += w"`: one state a target, to which the spikes that arrive add up, so its equations are in proportion to it;
      `"V += w"` moves the potential itself;
    - in I, as in `I = w*s*(E - V) : pA`: one state a source, whose equations may be any, and may depend on V_pre.

    Conductances and currents of a synapse are in what the target's input is in: nS for pA, mS/cm² for µA/cm².

    Args:
        equations: the text.
        on_pre: what a spike of the source does, such as `"g += w"`.
        parameters, functions, initial, name, doc, reference: as of `rv.neurons.from_equations`.

    Raises:
        ParameterError, UnitError, UnknownNameError, UnsupportedError: with the line of the text and a caret under the place.

    Example:
        >>> import ranvier as rv
        >>> Alpha = rv.synapses.from_equations(
        ...     '''
        ...     dg/dt = (x - g) / tau : nS
        ...     dx/dt = -x / tau : nS
        ...     I = g*(E - V) : pA
        ...     ''',
        ...     on_pre="x += w*exp(1)", parameters={"tau": "2 ms", "E": "0 mV"},
        ... )
        >>> source = rv.Population(1, rv.neurons.LeakyIntegrateAndFire(), initial={"V": -50.0}, name="source")  # spikes at once
        >>> cell = rv.Population(1, rv.neurons.LeakyIntegrateAndFire(), name="cell")
        >>> wire = rv.Projection(source, cell, Alpha(), rv.connect.all_to_all(), weight=3.0, name="wire")
        >>> run = rv.simulate(rv.Network(source, cell, wire), duration=10.0, dt=0.01, record=rv.Record(wire, "g"))
        >>> round(float(run["wire"].g.max()), 3), round(float(run["wire"].g.idxmax("time")[0]), 2)
        (3.0, 2.01)
    """
    text = doors.text(equations, "equations")
    texts = {"doc": doors.text(doc, "doc"), "reference": doors.text(reference, "reference")}
    if on_pre is not None:
        texts["on_pre"] = doors.text(on_pre, "on_pre")
    declared = {s.name: s for s in statements(text, "equations") if s.kind == "declared"}
    definition = Definition(
        "synapse",
        checked_word(name, "name", "MySynapse"),
        text,
        tuple(texts.items()),
        checked_parameters(parameters, declared),
        checked_functions(functions),
        checked_initial(initial),
    )
    return made(definition)


class EquationSynapse(SynapseModel):
    """Base of what `from_equations` makes."""

    definition: ClassVar[Definition]
    program: ClassVar[SynapseProgram]

    def initial_state(self, n: int, key: Key) -> SynapseState:
        program, scope = self.program, ProgramScope(self.program, self, {})
        values = {name: program.first.get(name, 0.0) for name in program.variables}
        return {name: jnp.full(n, scope.kept(name, v) if isinstance(v, Expression) else v) for name, v in values.items()}

    def derivatives(self, state: SynapseState, pre: Presynaptic | None, t: jax.Array) -> SynapseState:
        scope = self.program.scope(self, state, pre, t)
        return {name: like(scope.kept(name, expression), state[name]) for name, expression in self.program.moving.items()}

    def __reduce__(self) -> Any:
        return _again, (self.definition, {f.name: getattr(self, f.name) for f in dataclasses.fields(self)})


def _again(definition: Definition, values: dict[str, Any]) -> Any:
    """A copy of an object, in another process too."""
    cls = made(definition)
    return object.__new__(cls).with_values(values) if values else cls()


def _emit(self: EquationSynapse, state: SynapseState, spiked: jax.Array, t: jax.Array) -> tuple[SynapseState, Any]:
    now = dict(state)
    for one in self.program.events:
        value = self.program.scope(self, now, None, t).kept(one.name, one.expression)
        now[one.name] = like(jnp.where(spiked, value, state[one.name]), state[one.name])
    return now, spiked.astype(jnp.result_type(float))


def _receive(self: EquationSynapse, state: SynapseState, arriving: jax.Array) -> SynapseState:
    return {**state, **{name: state[name] + self.program.share(self, name, arriving) for name in self.program.adds if name in state}}


def _kick(self: EquationSynapse, arriving: jax.Array) -> jax.Array:
    return self.program.share(self, "V", arriving)


def _transmit(self: EquationSynapse, state: SynapseState, pre: Presynaptic | None, t: jax.Array) -> dict[str, jax.Array]:
    scope = self.program.scope(self, state, pre, t)
    size = next(iter(state.values())) if state else pre["V"] if pre is not None else jnp.zeros(())
    sent = {}
    for key, node in self.program.sent.items():
        value = jnp.ones_like(size) if node is None else evaluate(node, scope)
        sent[key] = like(value, size)
    return sent


def _membrane_input(self: EquationSynapse, transmitted: Any, V: jax.Array) -> tuple[Any, Any]:
    scope = ProgramScope(self.program, self, dict.fromkeys(POTENTIALS, lambda: V))
    sums: dict[str, Any] = {"conductance": 0.0, "offset": 0.0}
    for key, parts in self.program.received:
        for what, node in parts.items():
            if node is not None:
                factor = evaluate(node, scope)
                value = transmitted[key] if isinstance(factor, float) and factor == 1.0 else transmitted[key] * factor
                sums[what] = value if isinstance(sums[what], float) else sums[what] + value
    return sums["conductance"], sums["offset"]


class SynapseProgram(Program):
    """The equations of a synapse, checked."""

    def __init__(self, definition: Definition):
        lines = statements(definition.equations, "equations")
        events = assignments(definition.text("on_pre") or "", "on_pre")
        check_once(lines, definition)
        currents = [s for s in lines if s.name in CURRENTS]
        for s in lines:
            if s.name in (WEIGHT, *POTENTIALS, "V_pre"):
                raise s.place.refused(ParameterError, f"{s.name} belongs to the synapse's surroundings, and cannot be defined here.")
        if len(currents) == 2 or (currents and currents[0].kind != "defined"):
            raise currents[-1].place.refused(ParameterError, "the current into the target is defined once, by 'I = … : pA'.")
        self.current = currents[0] if currents else None
        changed = {one.name for one in events} - set(POTENTIALS)
        declared = {s.name: s for s in lines if s.kind == "declared"}
        moving = {s.name: s for s in lines if s.kind == "derivative"}
        still = {name: s for name, s in declared.items() if name in changed}
        variables = {name: s.measure for name, s in {**moving, **still}.items()}
        parameters = field_parameters(definition, {n: s for n, s in declared.items() if n not in still}, (), SynapseModel)
        check_apart(variables, parameters, lines, definition)
        outside = {
            "t": Dimension(TIME),
            "V_pre": Dimension(VOLTAGE),
            **dict.fromkeys(POTENTIALS, Dimension(VOLTAGE)),
            WEIGHT: Dimension(NONE, 1.0),
        }
        super().__init__(definition, lines, variables, parameters, outside, Unknown())
        self._check_uses(moving)
        self.site = self._where(events)
        expressions = {name: s.expression for name, s in moving.items() if s.expression is not None}
        for _ in range(2):  # the weight's unit is known after the first time
            self._check_dimensions(expressions, events)
        self.moving = expressions
        self._keep_as_the_target()
        self.adds: dict[str, Expression | None] = {}
        self.events: tuple[Assignment, ...] = ()
        if self.site == "target":
            self._check_proportion(expressions)
            self.adds = {one.name: self._added(one) for one in events}
        else:
            self.events = tuple(self._event(one) for one in events)
        self.weight = self._kind_of_weight(events)
        self.sent, self.received, self.post_only = self._sides()
        without = dict.fromkeys(("t", "V_pre", WEIGHT, *POTENTIALS, *self.variables), "At the start there are parameters alone.")
        self.first = initial_expressions(self, self.variables, self.vocabulary(without))
        for expression in (*expressions.values(), *([self.current.expression] if self.current and self.current.expression else [])):
            self.check_calls(expression)
        self.check_used(lines)

    def _check_uses(self, moving: Mapping[str, Statement]) -> None:
        if not moving and self.current is None and self.definition.text("on_pre") is None:
            raise ParameterError("equations and on_pre are empty: there is no synapse.")

    def _check_dimensions(self, moving: Mapping[str, Expression], events: list[Assignment]) -> None:
        hidden = {**dict.fromkeys(POTENTIALS, NO_POTENTIAL), WEIGHT: NO_WEIGHT, **dict.fromkeys(CURRENTS, "It follows from the rest.")}
        vocabulary = self.vocabulary(hidden)
        for name, expression in moving.items():
            unit = self.variables[name].unit
            wanted = Dimension(per_time(self.variables[name].exponents))
            vocabulary.expect(expression, wanted, f"{name} is in {unit}, so d{name}/dt must be in {unit}/ms")
        everything = self.vocabulary()
        for name, s in self.defined.items():
            assert s.expression is not None
            everything.expect(s.expression, Dimension(s.measure.exponents), f"{name} is said to be in {s.measure.unit}")
        own = self.vocabulary({"V_pre": "What a spike does sees the synapse alone.", **dict.fromkeys(CURRENTS, "It is no part of it.")})
        for one in events:
            if one.name in POTENTIALS:
                measure = dimensions.measure("mV")
            elif one.name in self.variables:
                measure = self.variables[one.name]
            else:
                what = "a parameter" if one.name in self.parameters else "not a variable of the equations"
                hint = " What a synapse does to its target's own variables is V += w; another belongs into the synapse, and acts by I."
                raise one.place.refused(UnsupportedError, f"{one.name} is {what}.{hint}")
            checked_assignment(one, own, measure)

    def _where(self, events: list[Assignment]) -> str:
        """Where the state lives, which follows from where the weight is."""
        arriving = [one for one in events if WEIGHT in self.depends(one.expression)]
        inside = self.current is not None and self.current.expression is not None and WEIGHT in self.depends(self.current.expression)
        for one in events:
            if one.name in POTENTIALS and one not in arriving:
                raise one.span.refused(ParameterError, "by how much? The weight is called w: V += w.")
        if arriving and inside:
            assert self.current is not None
            message = "the weight is in on_pre already. In both places it would count twice."
            raise self.current.span.refused(ParameterError, message)
        if not arriving and not inside:
            message = "the weight w is nowhere: write it in on_pre, as in 'g += w', or in the current, as in 'I = w*s*(E - V) : pA'."
            place = self.current.span if self.current else events[0].span if events else Span.of(self.definition.equations, "equations")
            raise place.refused(ParameterError, message)
        if inside:
            return "source"
        for one in events:
            if one not in arriving:
                raise one.span.refused(
                    UnsupportedError,
                    f"{one.name} changes by something else than the weight, so that synapses cannot share a state of the target. "
                    "Write w in I in place of on_pre: then each source has a state of its own.",
                )
        return "target"

    def _keep_as_the_target(self) -> None:
        """Conductances and currents are in the unit of the target's input, whatever that is."""
        found = self.unknown.found
        current = None if self.current is None else self.current.measure.exponents
        weighted = {e for e in (found, current) if e is not None and any(e) and e != VOLTAGE}
        for name, p in self.parameters.items():
            if p.measure.exponents in weighted:
                message = f"parameters[{name!r}] is in {p.measure.unit}. What a synapse conducts is its weight, given to the projection"
                raise UnsupportedError(f"{message}: leave {name} out.")
        for name in (*self.variables, *self.defined):
            if self.kinds[name].exponents in weighted:
                self.scales[name] = 1.0
        self.weighted = weighted

    def _check_proportion(self, moving: Mapping[str, Expression]) -> None:
        """A state that many synapses share must be in proportion to what arrives."""
        for name, expression in moving.items():
            if "V_pre" in self.depends(expression):
                message = "a state of the target, to which all its sources add, cannot depend on V_pre. Write w in I in place of on_pre."
                raise expression.span.refused(UnsupportedError, message)
            if self._degree(expression.node) != 1 and not _is_zero(expression.node):
                raise expression.span.refused(
                    UnsupportedError,
                    f"d{name}/dt is not in proportion to the synapse's variables, so that the spikes of many synapses would not add up. "
                    "Write w in I in place of on_pre: then each source has a state of its own.",
                )

    def _degree(self, node: Node) -> int | None:
        def of(name: str) -> int | None:
            s = self.defined.get(name)
            return degree(s.expression.node, of) if s is not None and s.expression is not None else int(name in self.variables)

        return degree(node, of)

    def _added(self, one: Assignment) -> Expression | None:
        """What a spike's weight is multiplied with before it is added; None for 1."""
        whole = checked_assignment(one, self.vocabulary(), dimensions.measure("mV") if one.name in POTENTIALS else self.variables[one.name])
        plain, noisy = noise_apart(whole.expression, whole.expression.node, lambda name: name == WEIGHT)
        factor = noisy.get(WEIGHT)
        within = self.depends(whole.expression.with_node(factor)) if factor is not None else frozenset()
        kept = isinstance(plain, ast.Name) and plain.id == one.name
        if factor is None or not kept or within & {*self.variables, *POTENTIALS, "V_pre", "t"}:
            message = "a spike that arrives adds the weight, or the weight times a number: write 'g += w'."
            raise one.span.refused(UnsupportedError, f"{message} What depends on the state itself needs w in I: one state a source.")
        return None if isinstance(factor, ast.Constant) and factor.value == 1.0 else whole.expression.with_node(factor)

    def _event(self, one: Assignment) -> Assignment:
        if one.name in POTENTIALS:
            raise one.span.refused(UnsupportedError, "a synapse moves the potential at once, or by I: not both.")
        without = {**dict.fromkeys(POTENTIALS, NO_POTENTIAL), "V_pre": "What a spike does sees the synapse alone."}
        return checked_assignment(one, self.vocabulary(without), self.variables[one.name])

    def _kind_of_weight(self, events: list[Assignment]) -> str:
        found = self.unknown.found or NONE
        if self.current is None:
            if all(one.name in POTENTIALS for one in events):
                return "potential"
            raise events[0].span.refused(ParameterError, "what arrives does nothing: the line 'I = … : pA' says which current comes of it.")
        for one in events:
            if one.name in POTENTIALS:
                raise one.span.refused(UnsupportedError, "a synapse moves the potential at once, or by I: not both.")
        current = self.current.measure.exponents
        if found == current:
            return "current"
        if found == tuple(a - b for a, b in zip(current, VOLTAGE, strict=True)):
            return "conductance"
        place = next((one.span for one in events if WEIGHT in one.expression.names), self.current.span)
        raise place.refused(
            UnitError,
            f"so the weight is {dimensions.in_words(found)}; it must be a conductance or a current: leave out what makes it so.",
        )

    def _sides(self) -> tuple[dict[str, Node | None], list[tuple[str, dict[str, Node | None]]], frozenset[str]]:
        """What is sent to the targets, what becomes of it there, and the parameters that only the targets' side has."""
        if self.current is None or self.current.expression is None:
            return {}, [], frozenset()
        expression = self.current.expression
        elsewhere = frozenset().union(*(self.depends(e) for e in self.moving.values()), *(self.depends(e.expression) for e in self.events))
        post = frozenset(name for name in self.parameters if name in self.depends(expression) and name not in elsewhere)

        def side(name: str) -> str:
            if name in self.variables or name in ("t", "V_pre"):
                return "pre"
            if name in POTENTIALS or name in post:
                return "post"
            return "pre" if name in self.parameters else ""

        defined = {name: s.expression for name, s in self.defined.items() if s.expression is not None}
        found = terms(expression, side, defined, WEIGHT)
        sent: dict[str, Node | None] = {}
        received: list[tuple[str, dict[str, Node | None]]] = []
        keys: dict[str, str] = {}
        for term in found:
            self._check_term(term, expression)
            key = keys.setdefault("" if term.pre is None else ast.dump(term.pre), f"part_{len(keys) + 1}")
            sent[key] = term.pre
            one = term.post or expression.with_node(ast.copy_location(ast.Constant(1.0), expression.node)).node
            offset, conductance = in_potential(one, lambda name: name in POTENTIALS, defined)
            received.append((key, {"conductance": conductance, "offset": offset}))
        return sent, received, post

    def _check_term(self, term: Term, expression: Expression) -> None:
        if self.site == "source" and term.weights != 1:
            message = "each term of I has the weight once: the engine sums weight times what each source sends."
            raise expression.span.refused(UnsupportedError, message)
        if self.site == "target" and (term.pre is None or self._degree(term.pre) != 1):
            message = "I is not in proportion to the synapse's variables, so that the spikes of many synapses would not add up."
            raise expression.span.refused(UnsupportedError, message)

    def share(self, model: Any, name: str, arriving: jax.Array) -> jax.Array:
        """What is added to a variable, of the weights that arrive."""
        found = next((one for key, one in self.adds.items() if key == name or (name == "V" and key in POTENTIALS)), None)
        if found is None:
            return arriving
        return arriving * evaluate(found.node, ProgramScope(self, model, {}))

    def scope(self, model: Any, state: SynapseState, pre: Presynaptic | None, t: Any) -> ProgramScope:
        """The values of names, given a state."""
        values: dict[str, Any] = {name: functools.partial(state.__getitem__, name) for name in self.variables}
        values["t"] = lambda: t
        if pre is not None:
            values["V_pre"] = lambda: pre["V"]
        return ProgramScope(self, model, values)

    def shown(self) -> str:
        """The equations, as `rv.describe` prints them."""
        lines = statements(self.definition.equations, "equations")
        told = [f"d{s.name}/dt = {written(s.expression)}" for s in lines if s.kind == "derivative"]
        told += [f"{s.name} = {written(s.expression)}" for s in lines if s.kind == "defined"]
        events = [shown_assignment(one) for one in assignments(self.definition.text("on_pre") or "", "on_pre")]
        when = "a spike that arrives" if self.site == "target" else "a presynaptic spike"
        return "\n".join([*told, *([f"{when}: {', '.join(events)}"] if events else [])])


def _is_zero(node: Node) -> bool:
    match node:
        case ast.Constant(value=value):
            return value == 0
        case ast.BinOp(left=left, op=ast.Mult() | ast.Div()):
            return _is_zero(left)
    return False


@functools.lru_cache(KEPT_CLASSES)
def made(definition: Definition) -> type[EquationSynapse]:
    """The class of a definition; equal definitions have one."""
    program = SynapseProgram(definition)
    beside = {name for e in program.moving.values() if "t" in program.depends(e) for name in program.depends(e)}
    double = frozenset(name for name, p in program.parameters.items() if name in beside and p.measure.exponents == TIME)
    units = {name: m.unit for name, m in program.variables.items() if m.exponents not in program.weighted}
    body = program.fields(double=double, per=dict.fromkeys(program.post_only, "target"))
    body |= {
        "__module__": "ranvier.equations.synapse",
        "__doc__": definition.text("doc") or "Made from equations.",
        "definition": definition,
        "program": program,
        "equations": program.shown(),
        "reference": definition.text("reference") or "",
        "site": program.site,
        "weight": program.weight,
        "variable_units": units,
    }
    if program.events:
        body["emit"] = _emit
    if program.weight == "potential":
        body["kick"] = _kick
    elif program.site == "target":
        body["receive"] = _receive
    if program.current is not None:
        body |= {"transmit": _transmit, "membrane_input": _membrane_input}
    return type(definition.name, (EquationSynapse,), body)
