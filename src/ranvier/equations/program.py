"""What a text of equations says, put together and checked: what neurons and synapses made from text have in common."""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import numpy as np

from ranvier import doors, units
from ranvier.equations import dimensions
from ranvier.equations.dimensions import Dimension, Measure, Unknown
from ranvier.equations.expressions import Expression, Vocabulary, evaluate, names_in
from ranvier.equations.functions import CONSTANTS, FUNCTIONS
from ranvier.equations.source import Span
from ranvier.equations.statements import Statement, check_name
from ranvier.errors import ParameterError, UnitError, UnsupportedError, did_you_mean
from ranvier.model import Model, PerNeuron, component, parameter
from ranvier.stimuli.base import Stimulus, instead

_WORD = re.compile(r"[^\W\d]\w*")
_VALUE = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*\*?\s*(.*?)\s*")


@dataclasses.dataclass(frozen=True)
class Definition:
    """All that a class is made from: equal definitions are one class. Every entry is plain, so that stores can hold it.

    Attributes:
        kind: `"neuron"` or `"synapse"`.
        name: of the class.
        equations: the text.
        texts: what else is text: the test, what a spike does.
        parameters: name, value in its unit (None where there is no default) and unit (None where the text says it).
        functions: name, function or stimulus, and the unit of what it gives.
        initial: name, and a number or an expression.
    """

    kind: str
    name: str
    equations: str
    texts: tuple[tuple[str, str], ...]
    parameters: tuple[tuple[str, float, str | None], ...]
    functions: tuple[tuple[str, Any, str], ...]
    initial: tuple[tuple[str, float | str], ...]

    def text(self, name: str) -> str | None:
        """One of the texts."""
        return dict(self.texts).get(name)

    def entries(self) -> dict[str, Any]:
        """It as lists and names, for stores."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @classmethod
    def of(cls, entries: Mapping[str, Any]) -> Definition:
        """What `entries` gave, lists in place of tuples too."""
        values: dict[str, Any] = {name: value if isinstance(value, str) else tuple(map(tuple, value)) for name, value in entries.items()}
        return cls(**values)


@dataclasses.dataclass(frozen=True)
class Parameter:
    """A parameter of a class.

    Attributes:
        name: as the equations have it; `field` as the class has it.
        field: another, where the class has a method of that name.
        measure: its unit.
        default: its value where none is given; None where it must be.
        text: what it means.
    """

    name: str
    field: str
    measure: Measure
    default: float | None
    text: str


def given_value(value: Any, what: str, declared: Measure | None) -> tuple[float, str | None]:
    """A value as a user gives it, `10.0`, `"10 ms"` or a quantity, as a number in a unit; without one, that of the declaration.

    Raises:
        ParameterError: it is no number.
        UnitError: it has no unit, or one of another dimension.
    """
    if isinstance(value, str):
        found = _VALUE.fullmatch(value)
        if not found:
            raise ParameterError(f"{what} is {value!r}. Write a number and its unit, such as '10 ms' or '-65 mV'.")
        if found[2]:
            return float(found[1]), found[2]
        value = float(found[1])
    if units.is_quantity(value):
        if declared is not None:
            return doors.number(value, what, unit=declared.unit), declared.unit
        unit = units.unit_of(value)
        try:
            known = dimensions.measure(unit)
        except ValueError:
            raise UnitError(f"{what} is in {unit}, which is not known here. Write it as text, such as '10 ms'.") from None
        return doors.number(value, what, unit=known.unit), known.unit
    try:
        return doors.number(value, what), None
    except ParameterError as error:
        raise ParameterError(f"{error} The class has one number; arrays are given to its objects, as in Cell(tau=values).") from None


def field_parameters(
    definition: Definition, declared: Mapping[str, Statement], used: Iterable[str], base: type, what: str = "parameters"
) -> dict[str, Parameter]:
    """The parameters of a class, those without a default first.

    Raises:
        UnitError: a value is in another unit than the text says.
    """
    result: dict[str, Parameter] = {}
    given = {name: (value, unit) for name, value, unit in definition.parameters}
    for name, statement in declared.items():
        default, measure = None, statement.measure
        if name in given:
            value, unit = given[name]
            if unit is None and measure.written != 1.0:
                raise UnitError(f"{what}[{name!r}] is {value:g}: of which unit? Write '{value:g} {measure.unit}', if that is meant.")
            default = value if unit is None else _converted(value, unit, measure, f"{what}[{name!r}]")
        result[name] = Parameter(name, _field(name, base), measure, default, statement.text)
    for name, (value, unit) in given.items():
        if name not in declared:
            measure = dimensions.measure(unit or "1")
            result[name] = Parameter(name, _field(name, base), measure, value * measure.written, "")
    return dict(sorted(result.items(), key=lambda item: item[1].default is not None))


def _converted(value: float, unit: str, measure: Measure, what: str) -> float:
    own = dimensions.measure(unit)
    if own.exponents != measure.exponents:
        raise UnitError(f"{what} is in {unit}, and the text says {measure.unit}.")
    factor = own.scale * own.written / measure.scale
    return float(f"{value * factor:.15g}") if factor != 1.0 else value


def _field(name: str, base: type) -> str:
    return f"{name}_" if hasattr(base, name) else name


class Program:
    """A text of equations with its parameters and functions.

    Args:
        definition: what it is made from.
        statements: the lines of the text.
        variables: the names that are state.
        parameters: the parameters, by name.
        outside: names that come from outside, with their dimensions: the time, the input.
        unknown: the dimension that is looked for.
    """

    def __init__(
        self,
        definition: Definition,
        statements: Iterable[Statement],
        variables: Mapping[str, Measure],
        parameters: Mapping[str, Parameter],
        outside: Mapping[str, Dimension],
        unknown: Unknown,
    ):
        self.definition, self.variables, self.parameters, self.unknown = definition, dict(variables), dict(parameters), unknown
        self.defined = {s.name: s for s in statements if s.kind == "defined"}
        self.functions = {name: (function, dimensions.measure(unit)) for name, function, unit in definition.functions}
        measures = {**variables, **{n: p.measure for n, p in parameters.items()}, **{n: s.measure for n, s in self.defined.items()}}
        self.kinds = {**{n: Dimension(m.exponents) for n, m in measures.items()}, **outside}
        self.scales = {name: m.scale for name, m in measures.items()}
        self.reached = {name: self._reach(name, ()) for name in self.defined}

    def check_used(self, statements: Iterable[Statement]) -> None:
        """Refuses a value that nothing uses: most are misspelt.

        Raises:
            ParameterError: there is one.
        """
        texts = [text for _, text in self.definition.texts] + [value for _, value in self.definition.initial if isinstance(value, str)]
        used = {word for text in texts for word in _WORD.findall(text)}
        for statement in statements:
            used |= {statement.name} if statement.kind == "declared" else set()
            used |= {node.id for node in names_in(statement.expression.node)} if statement.expression is not None else set()
        for name, _, _ in self.definition.parameters:
            if name not in used:
                near = did_you_mean(name, used & self.parameters.keys())
                raise ParameterError(f"parameters[{name!r}]: no equation uses it. {near if near.startswith('Did') else 'Leave it out.'}")

    def _reach(self, name: str, way: tuple[str, ...]) -> frozenset[str]:
        """All names that a defined one depends on.

        Raises:
            ParameterError: itself is one of them.
        """
        expression = self.defined[name].expression
        assert expression is not None
        found: set[str] = set()
        for one in names_in(expression.node):
            found.add(one.id)
            if one.id in (*way, name):
                chain = " → ".join((*way, name, one.id))
                raise expression.refused(one, ParameterError, f"{one.id!r} is defined by itself: {chain}.")
            if one.id in self.defined:
                found |= self._reach(one.id, (*way, name))
        return frozenset(found)

    def depends(self, expression: Expression) -> frozenset[str]:
        """All names that an expression depends on, through those that are defined."""
        return frozenset().union(expression.names, *(self.reached[name] for name in expression.names if name in self.reached))

    def vocabulary(self, without: Mapping[str, str] | None = None) -> Vocabulary:
        """What the names are, for checking dimensions.

        Args:
            without: names that may not be used, and why; with them, those that are defined by them.
        """
        without = dict(without or {})
        for name, reached in self.reached.items():
            hidden = sorted(reached & without.keys())
            if hidden:
                without[name] = f"{name} depends on {hidden[0]}. {without[hidden[0]]}"
        kinds = {name: kind for name, kind in self.kinds.items() if name not in without}
        functions = {name: Dimension(measure.exponents) for name, (_, measure) in self.functions.items()}
        plain = {name for name, _, unit in self.definition.parameters if unit is None and self.parameters[name].measure.unit == "1"}
        return Vocabulary(kinds, functions, self.unknown, without, plain)

    def check_defined(self) -> None:
        """Checks that what is defined has the unit that it says."""
        for name, statement in self.defined.items():
            assert statement.expression is not None
            wanted = Dimension(statement.measure.exponents)
            self.vocabulary().expect(statement.expression, wanted, f"{name} is said to be in {statement.measure.unit}")

    def check_calls(self, expression: Expression) -> None:
        """Tries the user's functions where they are called.

        Raises:
            ParameterError: one is not made of JAX's operations, or has no derivative.
        """
        for call in (node for node in ast.walk(expression.node) if isinstance(node, ast.Call)):
            assert isinstance(call.func, ast.Name)
            name = call.func.id
            if name not in self.functions:
                continue
            function = self.functions[name][0]
            if isinstance(function, Stimulus) and not (len(call.args) == 1 and _is_time(call.args[0])):
                raise expression.refused(call, ParameterError, f"{name} is a stimulus: call it with the time, {name}(t).")
            arguments = [jax.ShapeDtypeStruct((), np.float32)] * len(call.args)
            try:
                shape = jax.eval_shape(function, *arguments)
            except Exception as error:
                raise expression.refused(call, ParameterError, f"{name} cannot be compiled. {instead(error)}") from error
            if not hasattr(shape, "shape"):
                raise expression.refused(call, ParameterError, f"{name} gives no number.")
            try:
                jax.eval_shape(lambda *a, f=function: jax.jvp(f, a, a), *arguments)
            except Exception as error:
                message = f"{name} has no derivative, which integrators and gradients need. Write it with jax.numpy's functions."
                raise expression.refused(call, UnsupportedError, message) from error

    def fields(self, double: frozenset[str] = frozenset(), per: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The body of the class: its parameters, and its stimuli as components."""
        names: dict[str, Any] = {}
        annotations: dict[str, Any] = {}
        for p in self.parameters.values():
            default: dict[str, Any] = {} if p.default is None else {"default": p.default}
            alias = p.name if p.field != p.name else None
            one = (per or {}).get(p.name, "neuron")
            names[p.field] = parameter(**default, unit=p.measure.unit, text=p.text, alias=alias, double=p.name in double, per=one)
            annotations[p.field] = PerNeuron
        for name, (function, _) in self.functions.items():
            if isinstance(function, Stimulus):
                names[name], annotations[name] = component(function, kind=Stimulus), Stimulus
        return {**names, "__annotations__": annotations}


def _is_time(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "t"


class ProgramScope:
    """The values of names while equations are evaluated, in coherent units: each computed when it is first asked for.

    Args:
        program: the equations.
        model: whose parameters are meant.
        values: functions that give what comes from outside, and the state, in the units that they are kept in.
    """

    def __init__(self, program: Program, model: Model, values: Mapping[str, Callable[[], Any]]):
        self.program, self.model, self.values = program, model, values
        self.own_functions = program.functions
        self._known: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._known:
            self._known[name] = self._find(name)
        return self._known[name]

    def _find(self, name: str) -> Any:
        program = self.program
        if name in self.values:
            return self._scaled(name, self.values[name]())
        if name in program.parameters:
            return self._scaled(name, getattr(self.model, program.parameters[name].field))
        if name in program.defined:
            expression = program.defined[name].expression
            assert expression is not None
            return evaluate(expression.node, self)
        if name in CONSTANTS:
            return CONSTANTS[name]
        measure = dimensions.measure(name)
        return measure.scale * measure.written

    def _scaled(self, name: str, value: Any) -> Any:
        scale = self.program.scales.get(name, 1.0)
        return value if scale == 1.0 else value * scale

    def call(self, name: str, arguments: list[Any]) -> Any:
        """What a function of the user's gives."""
        function, measure = self.program.functions[name]
        if isinstance(function, Stimulus):
            function = getattr(self.model, name)
        value = function(*arguments)
        return value if measure.scale == 1.0 else value * measure.scale

    def kept(self, name: str, expression: Expression) -> Any:
        """The value of an expression in the unit that a name is kept in."""
        value = evaluate(expression.node, self)
        scale = self.program.scales.get(name, 1.0)
        return value if scale == 1.0 else value / scale


# -- arguments --------------------------------------------------------------------------------------------------------


def checked_parameters(given: Any, declared: Mapping[str, Statement]) -> tuple[tuple[str, float, str | None], ...]:
    """Parameters as they are given: `{"C": "200 pF", "tau": 10.0}`."""
    if given is None:
        return ()
    result = []
    for name, value in doors.mapping(given, "parameters", "{'C': '200 pF'}").items():
        _checked_key(name, "parameters")
        what = f"parameters[{name!r}]"
        measure = declared[name].measure if name in declared else None
        number, unit = given_value(value, what, measure)
        if unit is not None:
            try:
                dimensions.measure(unit)
            except ValueError as error:
                raise UnitError(f"{what}: {str(error)!r} is no unit. Write it as in '10 ms', '0.1 uA/cm**2'.") from None
        result.append((name, number, unit))
    return tuple(result)


def checked_functions(given: Any) -> tuple[tuple[str, Any, str], ...]:
    """Functions as they are given: `{"drive": (function, "pA")}`."""
    if given is None:
        return ()
    result = []
    for name, value in doors.mapping(given, "functions", "{'drive': (lambda t: 100.0 * jnp.sin(t), 'pA')}").items():
        _checked_key(name, "functions")
        what = f"functions[{name!r}]"
        function, unit = value if isinstance(value, tuple) and len(value) == 2 else (value, "1")
        if not isinstance(function, Stimulus):
            doors.function(function, what, "lambda t: 100.0 * jnp.sin(t)")
        try:
            dimensions.measure(doors.text(unit, what))
        except ValueError as error:
            raise UnitError(f"{what}: {str(error)!r} is no unit.") from None
        if name in FUNCTIONS:
            raise ParameterError(f"{what}: equations have a function {name} already; choose another name.")
        result.append((name, function, unit))
    return tuple(result)


def checked_initial(given: Any) -> tuple[tuple[str, float | str], ...]:
    """Initial values as they are given: numbers, values with units, expressions of parameters."""
    if given is None:
        return ()
    result: list[tuple[str, float | str]] = []
    for name, value in doors.mapping(given, "initial", "{'V': 'E_l'}").items():
        what = f"initial[{name!r}]"
        if isinstance(value, str):
            found = _VALUE.fullmatch(value)
            result.append((name, f"{found[1]} * ({found[2]})" if found and found[2] else value))
        elif units.is_quantity(value):
            number, unit = given_value(value, what, None)
            result.append((name, f"{number!r} * ({unit})"))
        else:
            result.append((name, given_value(value, what, None)[0]))
    return tuple(result)


def _checked_key(name: Any, what: str) -> None:
    if not isinstance(name, str) or not name.isidentifier():
        raise doors.refusal(what, name, "names as its keys: {'tau': '10 ms'}")
    check_name(name, Span.of(name, what))


def checked_word(name: Any, what: str, example: str) -> str:
    """A name that a class or a variable may have."""
    name = doors.text(name, what)
    if not name.isidentifier():
        raise ParameterError(f"{what} is {name!r}; it is one word, such as {example!r}.")
    return name


def initial_expressions(program: Program, names: Mapping[str, Measure], vocabulary: Vocabulary) -> dict[str, Any]:
    """The initial value of each name: a number, or an expression that is checked.

    Raises:
        ParameterError: of a name that is no variable.
    """
    from ranvier.equations.expressions import read
    from ranvier.errors import unknown

    result: dict[str, Any] = {}
    for name, value in program.definition.initial:
        if name not in names:
            raise ParameterError(f"initial: {unknown('variable', name, names)}")
        if isinstance(value, float):
            result[name] = value
            continue
        expression = read(Span.of(value, f"initial[{name!r}]"))
        vocabulary.expect(expression, Dimension(names[name].exponents), f"{name} is in {names[name].unit}, so its initial value must be")
        result[name] = expression
    return result
