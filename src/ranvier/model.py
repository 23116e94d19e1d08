"""What every model is: a frozen dataclass that is also a pytree of parameters.

A parameter is a number or an array, kept in the unit its field declares. It is
a leaf of the pytree, so it reaches the compiled step as an argument: another
value never recompiles. Components (a neuron's channels) are subtrees. Every
other field is part of the structure.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
import math
import sys
import typing
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self, TypeAlias, dataclass_transform

import jax
import numpy as np

from ranvier import doors, units
from ranvier.errors import ParameterError, UnknownNameError, unknown
from ranvier.random import Distribution, Key
from ranvier.synonyms import instead_of

PerNeuron: TypeAlias = Any
"""A parameter: a number, an array `[n]`, a distribution to draw `[n]` from, or a quantity."""

POSITIVE = (0.0, math.inf)
INPUT = "input"
"""The unit of what is injected: the `input_unit` of the neurons that it reaches, known only there."""


@dataclasses.dataclass(frozen=True)
class ParameterInfo:
    """What a parameter's field declares."""

    unit: str
    low: float
    high: float
    text: str
    alias: str | None
    per: str
    double: bool
    at_start: bool


def parameter(
    default: Any = dataclasses.MISSING,
    unit: str = "1",
    bounds: tuple[float, float] | None = None,
    text: str = "",
    alias: str | None = None,
    per: str = "neuron",
    double: bool = False,
    at_start: bool = False,
) -> Any:
    """Declares a parameter of a model.

    Args:
        default: its value where none is given; without one the user must give it.
        unit: the unit in which plain numbers are taken, as pint spells it
            (`"mS/cm^2"`, `"mV"`, `"1/ms"`, `"1"` for none).
        bounds: lowest and highest value allowed, both included.
        text: what it means, for `rv.describe`.
        alias: the constructor's word for it, where the field's own name must
            differ (a reset potential beside the method `reset`).
        per: what an array has one value for: `"neuron"` (for a synapse, each
            state at its site), `"target"` (for a synapse, each postsynaptic
            neuron) or `"sample"` (of any shape, checked by the model itself).
        double: keeps it in double precision in a run in single precision, as the time
            is: for what the equations compare with `t`. There is no derivative by it.
        at_start: says that nothing but `initial_state` looks at it: what takes a state to begin with does not take it.

    Example:
        >>> class Leak(Model):
        ...     conductance: PerNeuron = parameter(0.3, "mS/cm^2", bounds=(0, math.inf))
        >>> Leak().conductance
        0.3
    """
    low, high = bounds if bounds is not None else (-math.inf, math.inf)
    return dataclasses.field(default=default, metadata={"parameter": ParameterInfo(unit, low, high, text, alias, per, double, at_start)})


def component(default: Any = dataclasses.MISSING, kind: type[Any] | None = None) -> Any:
    """Declares a field that holds another model, or a mapping of names to models.

    Args:
        default: the model where none is given.
        kind: the class that a model given here must be of; by default the one in the field's annotation
            (`sodium: rv.IonChannel`, `channels: Mapping[str, rv.IonChannel]`).
    """
    metadata = {"component": True, "kind": kind}
    if isinstance(default, Mapping):
        return dataclasses.field(default_factory=lambda: dict(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


class _Declared(typing.NamedTuple):
    """What a field may hold: an object of a kind, or a mapping of names to such objects."""

    kind: type[Any]
    mapping: bool


@functools.cache
def _declared(cls: Any, name: str) -> _Declared:
    """What a field of a model may hold: as its annotation says, else what its default is."""
    field = cls.__dataclass_fields__[name]
    kind = _annotation(cls, name)
    mapping = typing.get_origin(kind) is not None or (isinstance(kind, type) and issubclass(kind, Mapping))
    if mapping:
        kind = next(iter(typing.get_args(kind)[1:]), None)
    default = None if field.default is dataclasses.MISSING else field.default
    if field.default_factory is not dataclasses.MISSING:
        default, mapping = next(iter(field.default_factory().values()), None), True
    if field.metadata.get("kind") is not None:
        kind = field.metadata["kind"]
    if not isinstance(kind, type):  # an annotation that only its writer's function could read
        kind = next((base for base in type(default).__mro__ if Model in base.__bases__), Model)
    return _Declared(kind, mapping)


@functools.cache
def _annotation(cls: Any, name: str) -> Any:
    """The annotation of a field, or None where it cannot be read."""
    for base in cls.__mro__:
        annotation = inspect.get_annotations(base).get(name)
        if annotation is None:
            continue
        try:
            scope = vars(sys.modules[base.__module__])
            return eval(annotation, dict(scope)) if isinstance(annotation, str) else annotation
        except Exception:  # a name of the function that the class is made in
            return None
    return None


def _checked_component(value: Any, cls: Any, name: str) -> Any:
    """What is given for a component.

    Raises:
        ParameterError: it is of another kind.
    """
    declared, what = _declared(cls, name), f"{cls.__name__}.{name}"
    field = cls.__dataclass_fields__[name]
    example = f"{type(field.default).__name__}()" if isinstance(field.default, declared.kind) else _EXAMPLES.get(declared.kind.__name__, "")
    if not declared.mapping:
        return doors.instance(value, what, declared.kind, example or "one of its subclasses")
    example = f"{{'name': {_EXAMPLES.get(declared.kind.__name__, f'{declared.kind.__name__}()')}}}"
    given = doors.mapping(value, what, example)
    return {str(key): doors.instance(part, f"{what}[{key!r}]", declared.kind, example) for key, part in given.items()}


_EXAMPLES = {
    "IonChannel": "rv.channels.Leak()",
    "IonPool": "rv.channels.CalciumPool()",
    "Stimulus": "rv.stimuli.Constant(1.0)",
    "NeuronModel": "rv.neurons.HodgkinHuxley()",
    "SynapseModel": "rv.synapses.ExponentialCurrent()",
    "ShortTermPlasticity": "rv.synapses.TsodyksMarkram()",
}


def _is_parameter(field: dataclasses.Field) -> bool:
    return "parameter" in field.metadata


def _is_child(field: dataclasses.Field) -> bool:
    return _is_parameter(field) or "component" in field.metadata


def _keyword(field: dataclasses.Field) -> str:
    """The constructor's word for a field."""
    return (field.metadata["parameter"].alias or field.name) if _is_parameter(field) else field.name


def _clean(value: Any, info: ParameterInfo, what: str) -> Any:
    """A parameter's value as a float, an array of its own or a distribution, checked."""
    if type(value) is float and info.low <= value <= info.high:
        return value
    if isinstance(value, jax.core.Tracer):
        return value  # it cannot be looked at
    if info.unit == INPUT and units.is_quantity(value):
        return copy.deepcopy(value)  # converted where it is attached
    if info.per == "sample":
        if isinstance(value, Distribution):
            raise doors.refusal(what, value, "numbers: it is not drawn")
        value = doors.values(value, what, rank=(0, 1, 2), infinite=True, unit=info.unit, one="sample")
    else:
        value = doors.values(value, what, infinite=True, unit=info.unit)
    if not isinstance(value, Distribution):
        check_bounds(np.asarray(value), info, what)
    return value


def in_input_unit(model: Any, unit: str, what: str) -> Any:
    """A stimulus whose quantities are numbers in the unit of the neurons that it goes to; itself where it has none.

    Raises:
        UnitError: a quantity is of another dimension.
    """
    if not isinstance(model, Model):
        return model
    changed: dict[str, Any] = {}
    for field in dataclasses.fields(model):  # type: ignore[arg-type]
        value = getattr(model, field.name)
        if _is_parameter(field) and field.metadata["parameter"].unit == INPUT and units.is_quantity(value):
            changed[field.name] = _clean(value, dataclasses.replace(field.metadata["parameter"], unit=unit), f"{what}.{_keyword(field)}")
        elif "component" in field.metadata and (part := in_input_unit(value, unit, f"{what}.{field.name}")) is not value:
            changed[field.name] = part
    return model.replace(**changed) if changed else model


def in_precision(model: Any, dtype: str) -> Any:
    """A model with its parameters in one precision, those that are compared with the time in double."""
    if isinstance(model, Mapping):
        return {name: in_precision(part, dtype) for name, part in model.items()}
    if not isinstance(model, Model):
        return model
    changed: dict[str, Any] = {}
    for field in dataclasses.fields(model):  # type: ignore[arg-type]
        value = getattr(model, field.name)
        if _is_parameter(field):
            wanted = np.float64 if model.always_double or field.metadata["parameter"].double else dtype
            changed[field.name] = value.astype(wanted) if isinstance(value, jax.Array) else np.asarray(value, wanted)
        elif "component" in field.metadata:
            changed[field.name] = in_precision(value, dtype)
    return model.with_values(changed)


def with_parameters(model: Any, values: Mapping[str, Any]) -> Any:
    """A model with some parameters, by the names that `parameters` gives them, set as they are: nothing is checked, so they may be traced.

    Example:
        >>> import ranvier as rv
        >>> with_parameters(rv.neurons.HodgkinHuxley(), {"sodium.conductance": 100.0}).sodium.conductance
        100.0
    """
    own = {name: value for name, value in values.items() if "." not in name}
    parts: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        if "." in name:
            first, _, rest = name.partition(".")
            parts.setdefault(first, {})[rest] = value
    if isinstance(model, Mapping):
        return {name: with_parameters(part, parts.get(name, {})) for name, part in model.items()}
    changed: dict[str, Any] = {}
    for field in dataclasses.fields(model):
        value = getattr(model, field.name)
        if _is_parameter(field) and _keyword(field) in own:
            changed[field.name] = own[_keyword(field)]
        elif isinstance(value, Mapping) and parts and "component" in field.metadata:
            inside = {name: with_parameters(part, parts[name]) if name in parts else part for name, part in value.items()}
            changed[field.name] = inside
        elif field.name in parts:
            changed[field.name] = with_parameters(value, parts[field.name])
    return model.with_values(changed)


def check_bounds(array: np.ndarray, info: ParameterInfo, what: str) -> None:
    """Raises where a value is NaN or out of its bounds, naming the first one."""
    bad = ~((array >= info.low) & (array <= info.high))  # NaN fails both
    if not bad.any():
        return
    where = "" if array.ndim == 0 else f" at index {int(np.flatnonzero(bad)[0])}"
    value = array if array.ndim == 0 else array[bad].flat[0]
    allowed = "a number" if info.low == -math.inf and info.high == math.inf else f"within [{info.low:g}, {info.high:g}] {info.unit}"
    raise ParameterError(f"{what} is {value:g}{where}, but it must be {allowed}.")


@dataclass_transform(frozen_default=True, eq_default=False, field_specifiers=(dataclasses.field,))
class Model:
    """Base of everything with parameters. Subclassing makes a frozen dataclass and a pytree of it.

    Class attributes that `rv.describe` prints:
        equations: the equations, in plain text, one a line.
        reference: the paper they are from.

    And one that the engine reads:
        always_double: whether its parameters stay in double precision in a run in
            single precision, as the time is.

    Example:
        >>> class Spring(Model):
        ...     stiffness: PerNeuron = parameter(2.0, "N/m", bounds=POSITIVE)
        >>> Spring(stiffness=-1.0)
        Traceback (most recent call last):
        ranvier.errors.ParameterError: Spring.stiffness is -1, but it must be within [0, inf] N/m.
    """

    equations: ClassVar[str] = ""
    reference: ClassVar[str] = ""
    always_double: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        own_constructor = "__init__" in cls.__dict__
        dataclasses.dataclass(frozen=True, eq=False, repr=False)(cls)
        fields = dataclasses.fields(cls)  # type: ignore[arg-type]
        aliases = {f.metadata["parameter"].alias: f.name for f in fields if _is_parameter(f) and f.metadata["parameter"].alias}
        if not own_constructor:
            made, known = cls.__init__, {f.name for f in fields} | set(aliases)

            def __init__(self: Any, *args: Any, **values: Any) -> None:
                for name in values:
                    if name not in known:
                        raise _unknown_parameter(cls, name)
                made(self, *args, **{aliases.get(name, name): value for name, value in values.items()})

            cls.__init__ = functools.wraps(made)(__init__)  # type: ignore[method-assign]
        children = [f.name for f in fields if _is_child(f)]
        static = [f.name for f in fields if not _is_child(f)]

        def flatten_with_keys(model: Any) -> Any:
            return [(jax.tree_util.GetAttrKey(c), getattr(model, c)) for c in children], tuple(getattr(model, s) for s in static)

        def flatten(model: Any) -> Any:
            return [getattr(model, c) for c in children], tuple(getattr(model, s) for s in static)

        def unflatten(aux: Any, values: Any) -> Any:
            model = object.__new__(cls)  # no __post_init__: the values may be tracers, or anything JAX puts there
            for name, value in zip(children, values, strict=True):
                object.__setattr__(model, name, value)
            for name, value in zip(static, aux, strict=True):
                object.__setattr__(model, name, value)
            return model

        jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)

    def __post_init__(self) -> None:
        cls: Any = type(self)
        for field in dataclasses.fields(cls):
            if _is_parameter(field):
                what = f"{type(self).__name__}.{field.name}"
                object.__setattr__(self, field.name, _clean(getattr(self, field.name), field.metadata["parameter"], what))
            elif "component" in field.metadata:
                object.__setattr__(self, field.name, _checked_component(getattr(self, field.name), cls, field.name))
            elif _annotation(cls, field.name) is bool:
                object.__setattr__(self, field.name, doors.flag(getattr(self, field.name), f"{type(self).__name__}.{field.name}"))
        if _all_known(self):
            self.check_parameters()

    def check_parameters(self) -> None:
        """Checks what must hold between parameters. Called where all of them are numbers or arrays, and again when drawn ones are known.

        Raises:
            ParameterError: it does not hold.
        """

    def check_step(self, dt: float, what: str) -> None:
        """Warns of what a step of `dt` ms is too long for. The network's build calls it for each model and stimulus, when all is drawn.

        As it stands, every component is asked. A model that has something to say itself overrides it
        and calls `super().check_step(dt, what)`.

        Args:
            dt: the step (ms).
            what: what the model is called in the network, for the warning.
        """
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            for name, part in value.items() if isinstance(value, Mapping) else ((field.name, value),):
                if isinstance(part, Model):
                    part.check_step(dt, f"{what}.{name}")

    def check_times(self, begin: int, end: int, dt: float, what: str) -> None:
        """Checks what a model gives at the times of a run, from step `begin` to step `end`. A run calls it for each population's model.

        Args:
            begin, end: the first step of the run, and the one that it ends before.
            dt: the step (ms).
            what: what the model is called in the network, for the error.

        Raises:
            ParameterError: it gives something there that it must not.
        """

    def __repr__(self) -> str:
        inside = ", ".join(f"{_keyword(f)}={_short(getattr(self, f.name))}" for f in dataclasses.fields(self))  # type: ignore[arg-type]
        return f"{type(self).__name__}({inside})"

    def _repr_html_(self) -> str:
        from ranvier.describe import as_html

        return as_html(self)

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed, checked again.

        Example:
            >>> import ranvier as rv
            >>> rv.channels.Leak().replace(reversal=-60.0).reversal
            -60.0
        """
        fields = {f.name: _keyword(f) for f in dataclasses.fields(self)}  # type: ignore[arg-type]
        for name in changes:
            if name not in fields and name not in fields.values():
                raise _unknown_parameter(type(self), name)
        values = {keyword: getattr(self, name) for name, keyword in fields.items()}
        return type(self)(**{**values, **{fields.get(name, name): value for name, value in changes.items()}})

    def with_values(self, values: Mapping[str, Any]) -> Self:
        """A copy with some fields set as they are. Nothing is checked, so they may be traced; `replace` checks."""
        copy = object.__new__(type(self))
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            object.__setattr__(copy, field.name, values[field.name] if field.name in values else getattr(self, field.name))
        return copy


def _unknown_parameter(cls: type, name: str) -> UnknownNameError:
    """The error for a word that a constructor does not know, with the model's own word for what it may mean."""
    components = {f.name: type(f.default).__name__ for f in dataclasses.fields(cls) if isinstance(f.default, Model)}
    known = {_keyword(f): components.get(f.name, "") for f in dataclasses.fields(cls)}
    what, hint = f"parameter of {cls.__name__}", instead_of(name, known)
    return UnknownNameError(f"Unknown {what} {name!r}. {hint}") if hint else unknown(what, name, known)


def _all_known(model: Model) -> bool:
    """Whether every parameter of a model itself is a number or an array of them, not to be drawn, converted or traced."""
    parameters_of_it = [f for f in dataclasses.fields(model) if _is_parameter(f)]  # type: ignore[arg-type]
    values = [getattr(model, f.name) for f in parameters_of_it]
    return not any(isinstance(value, Distribution | jax.Array) or units.is_quantity(value) for value in values)


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.size > 6:
        return f"<{'×'.join(map(str, value.shape))} values {value.min():g} … {value.max():g}>"
    return repr(value)


def parameters(model: Model, prefix: str = "") -> Iterator[tuple[str, ParameterInfo, Any]]:
    """Every parameter of a model and of its components: name, declaration, value."""
    for field in dataclasses.fields(model):  # type: ignore[arg-type]
        value = getattr(model, field.name)
        if _is_parameter(field):
            yield prefix + _keyword(field), field.metadata["parameter"], value
        elif isinstance(value, Model):
            yield from parameters(value, f"{prefix}{field.name}.")
        elif isinstance(value, Mapping):
            for name, part in value.items():
                yield from parameters(part, f"{prefix}{name}.")


def drawn(model: Any, key: Key, what: str, sizes: Mapping[str, tuple[int, str]], input_unit: str = "1") -> Any:
    """A copy of `model` whose distributions are drawn and whose arrays are checked.

    Args:
        model: a model, a mapping of models, or anything else (returned as it is).
        key: where its distributions draw from.
        what: its name, for errors.
        sizes: for each `per`, how many there are and what one is called.
        input_unit: what `INPUT` means here.
    """
    if isinstance(model, Mapping):
        return {name: drawn(part, key.child(name), f"{what}.{name}", sizes, input_unit) for name, part in model.items()}
    if not isinstance(model, Model):
        return model
    changed: dict[str, Any] = {}
    for field in dataclasses.fields(model):  # type: ignore[arg-type]
        value = getattr(model, field.name)
        label = f"{what}.{_keyword(field)}"
        if _is_parameter(field):
            info = field.metadata["parameter"]
            value = _clean(value, dataclasses.replace(info, unit=input_unit) if info.unit == INPUT else info, label)
            if info.per != "sample":
                n, one = sizes[info.per]
                if isinstance(value, Distribution):
                    value = value.draw(key.child(field.name), n)
                    check_bounds(value, info, label)
                if np.shape(value) not in ((), (n,)):
                    raise ParameterError(
                        f"{label} has shape {np.shape(value)}, but there {'is' if n == 1 else 'are'} {n} {one}{'' if n == 1 else 's'}: "
                        f"give one number, or an array of shape ({n},)."
                    )
        elif "component" in field.metadata:
            value = drawn(value, key.child(field.name), label, sizes, input_unit)
        changed[field.name] = value
    other = model.with_values(changed)
    if _all_known(other):
        other.check_parameters()
    return other
