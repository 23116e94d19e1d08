"""Traced equations, written out as JavaScript.

A function of a model is traced once, for one cell, and each operation of the trace
becomes one line. What depends on parameters alone is computed once a run, not once a
stage. An operation that is not in the tables below is refused by name.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from ranvier.errors import ParameterError, RanvierError, UnsupportedError

_INFIX = {"add": "+", "add_any": "+", "sub": "-", "mul": "*", "lt": "<", "lt_to": "<", "le": "<=", "le_to": "<=", "gt": ">", "ge": ">=",
          "eq": "===", "ne": "!=="}  # fmt: skip
_CALLS = {name: f"Math.{name}" for name in (
    "exp", "log", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "sqrt", "cbrt",
    "expm1", "log1p", "abs", "floor", "ceil", "sign", "max", "min", "pow", "atan2")} | {"is_finite": "Number.isFinite"}  # fmt: skip
_WRITTEN_OUT = {
    "neg": "(-{0})",
    "not": "(!{0})",
    "square": "({0}*{0})",
    "exp2": "Math.pow(2,{0})",
    "logistic": "(1/(1+Math.exp(-{0})))",
    "rsqrt": "(1/Math.sqrt({0}))",
    "rem": "({0}%{1})",
    "clamp": "Math.min(Math.max({1},{0}),{2})",
}
_LOGICAL = {"and": ("({0}&&{1})", "({0}&{1})"), "or": ("({0}||{1})", "({0}|{1})"), "xor": ("({0}!=={1})", "({0}^{1})")}
_SAME = ("broadcast_in_dim", "reshape", "squeeze", "expand_dims", "copy", "copy_p", "optimization_barrier", "real", "reduce_precision")
_REDUCED = {"reduce_sum": ("a+b", "0"), "reduce_prod": ("a*b", "1"), "reduce_max": ("Math.max(a,b)", "-Infinity"),
            "reduce_min": ("Math.min(a,b)", "Infinity"), "reduce_and": ("a&&b", "true"), "reduce_or": ("a||b", "false")}  # fmt: skip
_INNER = ("jaxpr", "call_jaxpr", "fun_jaxpr")
_NAME = re.compile(r"\bx\d+\b")
_NUMBER = re.compile(r"\(?-?\d[\d.]*(e-?\d+)?\)?")


@dataclasses.dataclass(frozen=True)
class Value:
    """What stands for a traced value: the JavaScript of one number, or of an array of `length`.

    `fixed`: it depends on parameters alone.
    """

    text: str
    length: int | None
    fixed: bool

    def at(self, i: str) -> str:
        return self.text if self.length is None else f"{self.text}[{i}]"


@dataclasses.dataclass(frozen=True)
class _Line:
    targets: tuple[str, ...]
    code: str

    @property
    def uses(self) -> set[str]:
        return set(_NAME.findall(self.code))


def number(value: Any) -> str:
    """A number or truth value as JavaScript."""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    value = float(value)
    if not np.isfinite(value):
        return "NaN" if np.isnan(value) else "Infinity" if value > 0 else "(-Infinity)"
    text = repr(int(value) if value == int(value) and abs(value) < 1e15 and not (value == 0 and np.signbit(value)) else value)
    return f"({text})" if text.startswith("-") else text


class Program:
    """The functions of one model as JavaScript: `P => ({name(arguments) {…}, …})`.

    Args:
        model: whose functions they are; its parameters are the array `P`, in the order of its leaves.

    Example:
        >>> import ranvier as rv
        >>> program = Program(rv.stimuli.SquarePulse(10.0, start=20.0))
        >>> program.function("current", "t", lambda pulse, t: [pulse(t)], [NUMBER], ["t"])
        >>> print(program.text())
        P=>{
        return {
        current(t){
        const x1=(t>=P[1]),x2=(t<P[2]),x3=(x1&&x2),x4=(x3?P[0]:0);
        return x4;
        },
        };}
    """

    def __init__(self, model: Any):
        self.model = model
        leaves, self._tree = jax.tree.flatten(model)
        self._leaves = [jax.ShapeDtypeStruct(np.shape(leaf), np.float64) for leaf in leaves]
        self._parameters = [Value(f"P[{i}]", _length(leaf.shape), True) for i, leaf in enumerate(self._leaves)]
        self._setup: list[_Line] = []
        self._known: dict[str, str] = {}
        self._functions: list[str] = []
        self._needed: set[str] = set()
        self._count = 0
        self._where = type(model).__name__
        self._place = ""

    def function(
        self,
        name: str,
        arguments: str,
        traced: Callable[..., Sequence[Any]],
        shapes: Sequence[Any],
        names: Sequence[Any],
        into: str = "",
        alone: bool = True,
    ) -> None:
        """Adds one function.

        Args:
            name, arguments: of the JavaScript function.
            traced: called with the model and one argument for each of `shapes`; returns a list of values.
            shapes: of the arguments: `NUMBER`, `TRUTH`, `CELL`, or a dict of these.
            names: the JavaScript for each; for a dict a function from the key.
            into: the array that takes the results; without it they are returned.
            alone: whether one result is returned as itself, and not in an array.
        """
        given: list[Value] = []
        for shape, word in zip(shapes, names, strict=True):
            entries = [word] if not isinstance(shape, dict) else [word(key) for key in sorted(shape)]
            given += [Value(entry, None, False) for entry in entries]
        self._where = f"{type(self.model).__name__}.{name}"
        with jax.enable_x64(True), users_code(self._where):
            rebuilt = lambda leaves, *rest: list(traced(jax.tree.unflatten(self._tree, leaves), *rest))
            closed = jax.make_jaxpr(rebuilt)(self._leaves, *shapes)
        lines: list[_Line] = []
        known: dict[str, str] = {}
        results = self._emit(closed.jaxpr, closed.consts, [*self._parameters, *given], lines, known)
        texts = [r.text for r in results]
        needed = {n for text in texts for n in _NAME.findall(text)}
        kept = _kept(lines, needed)
        self._needed |= needed
        if into:
            end = "".join(f"{into}[{i}]={text};" for i, text in enumerate(texts))
        else:
            end = f"return {texts[0]};" if len(texts) == 1 and alone else f"return [{','.join(texts)}];"
        self._functions.append("\n".join([f"{name}({arguments}){{", *_joined(kept), end, "},"]))

    def text(self) -> str:
        """The whole as one JavaScript expression."""
        return "\n".join(["P=>{", *_joined(_kept(self._setup, self._needed)), "return {", *self._functions, "};}"])

    # -- one trace ------------------------------------------------------------------------------

    def _emit(
        self, jaxpr: Jaxpr, consts: Sequence[Any], arguments: Sequence[Value], lines: list[_Line], known: dict[str, str]
    ) -> list[Value]:
        values: dict[Any, Value] = {}

        def read(v: Any) -> Value:
            return _constant(v.val) if isinstance(v, Literal) else values[v]

        for v, constant in zip(jaxpr.constvars, consts, strict=True):
            values[v] = _constant(constant)
        for v, argument in zip(jaxpr.invars, arguments, strict=True):
            values[v] = argument
        outer = self._place
        for equation in jaxpr.eqns:
            self._place = place_of(equation) or outer
            operands = [read(v) for v in equation.invars]
            for v, result in zip(equation.outvars, self._equation(equation, operands, lines, known), strict=True):
                values[v] = result
        self._place = outer
        return [read(v) for v in jaxpr.outvars]

    def _equation(self, equation: Any, operands: list[Value], lines: list[_Line], known: dict[str, str]) -> list[Value]:
        name, params = equation.primitive.name, equation.params
        inner = next((params[key] for key in _INNER if key in params), None)
        if name == "scan":
            return self._scan(equation, operands, lines, known)
        if name == "while":
            return self._while(equation, operands, lines, known)
        if name == "cond":
            return self._cond(equation, operands, lines, known)
        if name == "platform_index":
            platforms = params["platforms"]
            return [Value(str(next((i for i, p in enumerate(platforms) if p is None), len(platforms) - 1)), None, True)]
        if inner is not None:
            closed = inner if isinstance(inner, ClosedJaxpr) else ClosedJaxpr(inner, ())
            return self._emit(closed.jaxpr, closed.consts, operands, lines, known)
        if any(jnp.issubdtype(v.aval.dtype, np.complexfloating) for v in (*equation.invars, *equation.outvars)):
            raise self._refused(equation, " on complex numbers")
        if name in _SAME:
            return [
                a
                if _length(v.aval.shape) == a.length
                else self._line(f"Array({_length(v.aval.shape)}).fill({a.text})", v, [a], lines, known)
                for v, a in zip(equation.outvars, operands, strict=False)
            ]
        if len(equation.outvars) != 1:  # one that has many results, or none, such as a print
            raise self._refused(equation)
        (out,) = equation.outvars
        code = self._array(equation, operands) or self._elementwise(equation, operands, out)
        return [self._line(code, out, operands, lines, known)]

    def _line(self, code: str, out: Any, operands: list[Value], lines: list[_Line], known: dict[str, str]) -> Value:
        """One result under a name of its own; the same code twice has one name."""
        if _NUMBER.fullmatch(code):
            return Value(code, _length(out.aval.shape), True)
        fixed = all(operand.fixed for operand in operands)
        place, names = (self._setup, self._known) if fixed else (lines, known)
        if code not in names:
            names[code] = self._fresh()
            place.append(_Line((names[code],), f"const {names[code]}={code};"))
        return Value(names[code], _length(out.aval.shape), fixed)

    def _fresh(self) -> str:
        self._count += 1
        return f"x{self._count}"

    def _elementwise(self, equation: Any, operands: list[Value], out: Any) -> str:
        length = _length(out.aval.shape)
        if length is None:
            return self._one(equation, [o.at("0") for o in operands])
        return f"Array.from({{length:{length}}},(_,i)=>{self._one(equation, [o.at('i') for o in operands])})"

    def _one(self, equation: Any, a: list[str]) -> str:
        name, params = equation.primitive.name, equation.params
        kind = np.dtype(equation.invars[0].aval.dtype).kind if equation.invars else "f"
        if name in _INFIX:
            return f"({a[0]}{_INFIX[name]}{a[1]})"
        if name in _CALLS:
            return f"{_CALLS[name]}({','.join(a)})"
        if name in _WRITTEN_OUT:
            return _WRITTEN_OUT[name].format(*a)
        if name in _LOGICAL:
            return _LOGICAL[name][kind != "b"].format(*a)
        if name == "div":
            return f"({a[0]}/{a[1]})" if kind == "f" else f"Math.trunc({a[0]}/{a[1]})"
        if name == "integer_pow":
            return _integer_power(a[0], params["y"])
        if name == "select_n" and len(a) == 3:
            return f"({a[0]}?{a[2]}:{a[1]})"
        if name == "round":
            return f"roundHalfEven({a[0]})" if int(params["rounding_method"]) == 1 else f"(Math.sign({a[0]})*Math.round(Math.abs({a[0]})))"
        if name == "convert_element_type":
            return _converted(a[0], kind, np.dtype(params["new_dtype"]))
        raise self._refused(equation)

    def _array(self, equation: Any, operands: list[Value]) -> str | None:
        """The operations that see an array as a whole; None for those that go element by element."""
        name, params, (out,) = equation.primitive.name, equation.params, equation.outvars
        length = _length(out.aval.shape)
        if name == "concatenate":
            return f"[{','.join(o.text if o.length is None else f'...{o.text}' for o in operands)}]"
        if name == "iota":
            return "0" if length is None else f"Array.from({{length:{length}}},(_,i)=>i)"
        if name in ("transpose", "rev", "slice", "dynamic_slice", "gather") and operands[0].length is None and length is None:
            return operands[0].text
        if name == "slice":
            (start,), (stop,), stride = params["start_indices"], params["limit_indices"], params["strides"]
            if stride not in (None, (1,)):
                raise self._refused(equation)
            return f"{operands[0].text}[{start}]" if length is None else f"{operands[0].text}.slice({start},{stop})"
        if name == "dynamic_slice" and len(operands) == 2:
            last = f"{(operands[0].length or 1) - (length or 1)}"
            at = f"Math.min(Math.max({operands[1].text},0),{last})"
            return f"{operands[0].text}[{at}]" if length is None else f"{operands[0].text}.slice({at},{at}+{length})"
        if name == "gather" and length is None and operands[1].length is None:
            return f"{operands[0].text}[Math.min(Math.max({operands[1].text},0),{(operands[0].length or 1) - 1})]"
        if name in _REDUCED and length is None:
            fold, start = _REDUCED[name]
            return operands[0].text if operands[0].length is None else f"{operands[0].text}.reduce((a,b)=>{fold},{start})"
        if name == "dot_general" and length is None and operands[0].length == operands[1].length:
            a, b = operands
            return f"({a.text}*{b.text})" if a.length is None else f"{a.text}.reduce((sum,x,i)=>sum+x*{b.text}[i],0)"
        return None

    # -- loops and branches ----------------------------------------------------------------------

    def _block(self, closed: Any, arguments: list[Value], known: dict[str, str]) -> tuple[list[_Line], list[Value]]:
        """What is inside braces: its lines, and its results."""
        lines: list[_Line] = []
        results = self._emit(closed.jaxpr, closed.consts, arguments, lines, dict(known))
        needed = {n for r in results for n in _NAME.findall(r.text)}
        self._needed |= needed
        kept = _kept(lines, needed)
        self._needed |= {n for line in kept for n in line.uses}
        return kept, results

    def _carried(self, start: list[Value]) -> tuple[list[Value], str]:
        names = [self._fresh() for _ in start]
        declared = f"let {','.join(f'{n}={s.text}' for n, s in zip(names, start, strict=True))};" if names else ""
        return [Value(n, s.length, False) for n, s in zip(names, start, strict=True)], declared

    def _scan(self, equation: Any, operands: list[Value], lines: list[_Line], known: dict[str, str]) -> list[Value]:
        params = equation.params
        constants, rest = operands[: params["num_consts"]], operands[params["num_consts"] :]
        start, sequences = rest[: params["num_carry"]], rest[params["num_carry"] :]
        if sequences or len(equation.outvars) != params["num_carry"] or params["reverse"]:
            raise self._refused(equation)
        carried, declared = self._carried(start)
        inside, results = self._block(params["jaxpr"], [*constants, *carried], known)
        loop = f"for(let n=0;n<{params['length']};n++)"
        return self._loop(declared, loop, inside, results, carried, lines)

    def _while(self, equation: Any, operands: list[Value], lines: list[_Line], known: dict[str, str]) -> list[Value]:
        params = equation.params
        n, m = params["cond_nconsts"], params["cond_nconsts"] + params["body_nconsts"]
        carried, declared = self._carried(operands[m:])
        test, (go_on,) = self._block(params["cond_jaxpr"], [*operands[:n], *carried], known)
        inside, results = self._block(params["body_jaxpr"], [*operands[n:m], *carried], known)
        stop = _Line((), f"if(!{go_on.text})break;")
        return self._loop(declared, "for(;;)", [*test, stop, *inside], results, carried, lines)

    def _loop(
        self, declared: str, loop: str, inside: list[_Line], results: list[Value], carried: list[Value], lines: list[_Line]
    ) -> list[Value]:
        names = [c.text for c in carried]
        moved = f"[{','.join(names)}]=[{','.join(r.text for r in results)}];" if names else ""
        lines.append(_Line(tuple(names), f"{declared}{loop}{{{''.join(line.code for line in inside)}{moved}}}"))
        return carried

    def _cond(self, equation: Any, operands: list[Value], lines: list[_Line], known: dict[str, str]) -> list[Value]:
        which, *given = operands
        names = [self._fresh() for _ in equation.outvars]
        cases = []
        for branch in equation.params["branches"]:
            inside, results = self._block(branch, given, known)
            moved = "".join(f"{n}={r.text};" for n, r in zip(names, results, strict=True))
            cases.append("".join(line.code for line in inside) + moved)
        choice = f"Math.min(Math.max(+{which.text},0),{len(cases) - 1})"
        body = "".join(f"case {i}:{{{case}break;}}" for i, case in enumerate(cases))
        lines.append(_Line(tuple(names), f"let {','.join(names)};switch({choice}){{{body}}}"))
        return [Value(n, _length(v.aval.shape), False) for n, v in zip(names, equation.outvars, strict=True)]

    def _refused(self, equation: Any, on: str = "") -> UnsupportedError:
        shape = next((v.aval.shape for v in (*equation.invars, *equation.outvars) if getattr(v.aval, "size", 1) > 1), ())
        what = f"{equation.primitive.name!r}" + (on or (f" on an array of shape {shape}" if shape else ""))
        return UnsupportedError(
            f"{self._where} uses the operation {what}{self._place}, which a scene cannot write as JavaScript. "
            "Write it with arithmetic, comparisons, jnp.where and the elementary functions; rv.simulate runs it as it is."
        )


CELL = jax.ShapeDtypeStruct((1,), np.float64)
NUMBER = jax.ShapeDtypeStruct((), np.float64)
TRUTH = jax.ShapeDtypeStruct((1,), np.bool_)


def _length(shape: tuple[int, ...]) -> int | None:
    """Of the array that stands for a shape; None for one number."""
    size = int(np.prod(shape, dtype=np.int64))
    return None if size == 1 else size


def _constant(value: Any) -> Value:
    array = np.asarray(value)
    if array.size == 1:
        return Value(number(array.reshape(-1)[0]), None, True)
    return Value(f"[{','.join(number(x) for x in array.reshape(-1))}]", array.size, True)


def _kept(lines: list[_Line], needed: set[str]) -> list[_Line]:
    """The lines that what is needed depends on; `needed` grows by what they use."""
    kept = []
    for line in reversed(lines):
        if needed.intersection(line.targets):
            needed |= line.uses
            kept.append(line)
    return kept[::-1]


def _joined(lines: list[_Line]) -> list[str]:
    """The code, with constants that follow each other in one declaration."""
    joined: list[str] = []
    for line in lines:
        if joined and line.code.startswith("const ") and joined[-1].startswith("const "):
            joined[-1] = joined[-1][:-1] + "," + line.code.removeprefix("const ")
        else:
            joined.append(line.code)
    return joined


def _integer_power(x: str, exponent: int) -> str:
    """By squaring, in the order in which XLA multiplies."""
    left, factor, result = abs(exponent), x, ""
    while left:
        if left & 1:
            result = f"({result}*{factor})" if result else factor
        left >>= 1
        factor = f"({factor}*{factor})"
    return (result or "1") if exponent >= 0 else f"(1/{result})"


def _converted(x: str, kind: str, to: np.dtype) -> str:
    if kind == to.kind or (kind in "iu" and to.kind in "iuf") or (kind == "f" and to == np.float64):
        return x
    if to.kind == "b":
        return f"({x}!==0)"
    if kind == "b":
        return f"({x}?1:0)"
    return f"Math.trunc({x})" if to.kind in "iu" else f"Math.fround({x})"


def _users(file_name: str) -> bool:
    """Whether a file is the user's own."""
    ours = str(Path(__file__).parents[1])
    libraries = str(Path(jax.__file__).parent), str(Path(np.__file__).parent)
    return not file_name.startswith((ours, *libraries, "<")) or file_name.startswith("<ipython")


def place_of(equation: Any) -> str:
    """Where in the user's code an operation stands; nothing for one of Ranvier's own models."""
    frames = getattr(getattr(equation.source_info, "traceback", None), "frames", ())
    frame = next((frame for frame in frames if _users(frame.file_name)), None)
    return "" if frame is None else f" ({Path(frame.file_name).name}, line {frame.line_num})"


def place_where(error: BaseException) -> str:
    """Where in the user's code an error was raised."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _users(frame.filename)]
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""


@contextlib.contextmanager
def users_code(where: str) -> Iterator[None]:
    """Says of whatever a model's own function raises which function and which line it was.

    Raises:
        ParameterError: instead of what is no error of Ranvier's.
    """
    from ranvier.stimuli.base import instead

    try:
        yield
    except RanvierError:
        raise
    except (jax.errors.TracerArrayConversionError, jax.errors.ConcretizationTypeError) as error:
        raise ParameterError(
            f"{where} cannot be compiled{place_where(error)}: it is traced once, with values that are not numbers yet. "
            f"{instead(error).replace('(t)', '(x)').replace('t > 20', 'x > 0')}"
        ) from error
    except Exception as error:
        raise ParameterError(f"{where} raises {type(error).__name__}: {error}{place_where(error)}.") from error


def leaves_by_name(model: Any, prefix: str = "") -> list[tuple[str, Any, Any]]:
    """Each parameter of a model in the order of its leaves: dotted name, declaration (None for what declares none), value."""
    found: list[tuple[str, Any, Any]] = []
    for field in dataclasses.fields(model):
        value = getattr(model, field.name)
        info = field.metadata.get("parameter")
        if info is not None:
            found.append((prefix + (info.alias or field.name), info, value))
        elif "component" in field.metadata:
            parts = sorted(value.items()) if isinstance(value, Mapping) else [(field.name, value)]
            for name, part in parts:
                found += leaves_by_name(part, f"{prefix}{name}.")
    return found
