"""A layer's step as C++: traced once with its derivative, element by element, and written as the struct that `cell_sequence.h` runs.

What depends on parameters alone is computed once for each neuron, not in each step.
"""

from __future__ import annotations

import copy
import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx, nn

from ranvier.errors import UnsupportedError
from ranvier.torch.layer import SpikingLayer, leaves
from ranvier.torch.ranged import Ranged
from ranvier.torch.surrogate import Surrogate

N = 3
"""How many neurons the tracing sees. They must not see each other."""


class Traced(NamedTuple):
    """A step and its derivative as a graph of operations.

    Attributes:
        graph: from (x, states, parameters, gradient of the output, gradients of the states after) to (output, states after,
            gradients of x, states and parameters).
        parameters: their names, in order.
        states: how many tensors a state has.
    """

    graph: fx.Graph
    parameters: tuple[str, ...]
    states: int


@torch.library.custom_op("ranvier::surrogate_slope", mutates_args=())
def surrogate_slope(d: Tensor) -> Tensor:
    """Stands for the derivative of a surrogate that is chosen when the loops run."""
    return d.clone()


@surrogate_slope.register_fake
def _(d: Tensor) -> Tensor:
    return torch.empty_like(d)


class AnySurrogate(Surrogate):
    """A surrogate that is chosen when the loops run."""

    formula, reference = "any", "none"

    def __init__(self) -> None:
        """It has no fields to check."""

    def derivative(self, d: Tensor) -> Tensor:
        return surrogate_slope(d)


class _Step(nn.Module):
    def __init__(self, layer: SpikingLayer):
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor, state: Any) -> Any:
        return self.layer.step(x, state)


def with_all_as_tensors(layer: SpikingLayer, numbers: tuple[str, ...] = ()) -> SpikingLayer:
    """A copy whose parameters that are numbers, and attributes that are named, are buffers."""
    layer = copy.deepcopy(layer)
    for made in layer.modules():
        if isinstance(made, Ranged) and made.number is not None:
            made.register_buffer("fixed", torch.tensor(made.number, dtype=torch.float64))
            made.number = None
    for name in numbers:
        layer._buffers[name] = torch.tensor(layer.__dict__.pop(name), dtype=torch.float64)
    return layer


def _attributes(step: nn.Module) -> dict[tuple[str, str], str]:
    """What a step may count or keep beside its state."""
    kinds = (bool, int, float, str, tuple, list, dict)
    parts = step.named_modules()
    return {(place, name): repr(x) for place, part in parts for name, x in vars(part).items() if name[0] != "_" and isinstance(x, kinds)}


def traced(layer: SpikingLayer, dtype: torch.dtype, numbers: tuple[str, ...] = ()) -> Traced:
    """A layer's step and its derivative.

    Args:
        layer: whose `step` is made of PyTorch's element-wise functions, without branches on values.
        dtype: that it is traced in.
        numbers: names of its attributes that become parameters.

    Raises:
        UnsupportedError: it cannot be traced.
    """
    from torch._decomp import core_aten_decompositions
    from torch.fx.experimental.proxy_tensor import make_fx

    step = _Step(with_all_as_tensors(layer, numbers))
    named = dict([*step.named_parameters(), *step.named_buffers()])
    x = torch.linspace(0.1, 0.7, N, dtype=dtype)
    start = layer.initial_state(x)
    states = [leaf for _, leaf in leaves(start)]
    rows = [torch.linspace(0.5, 0.9, N, dtype=dtype) for _ in named]
    attributes = _attributes(step)

    def both(x: Tensor, states: list[Tensor], rows: list[Tensor], of_output: Tensor, of_states: list[Tensor]) -> Any:
        with torch.enable_grad():
            floating = [s.is_floating_point() for s in states]
            fresh = lambda t: t.detach().requires_grad_(t.is_floating_point())
            x, states, rows = fresh(x), [fresh(s) for s in states], [fresh(r) for r in rows]
            output, after = torch.func.functional_call(step, dict(zip(named, rows, strict=True)), (x, rebuilt(start, states)))
            after = [leaf for _, leaf in leaves(after)]
            seen = [(o, g) for o, g, wants in zip([output, *after], [of_output, *of_states], [True, *floating], strict=True) if wants]
            seen = [(o, g) for o, g in seen if o.requires_grad]
            inputs = [x, *(s for s, f in zip(states, floating, strict=True) if f), *rows]
            outputs, given = zip(*seen, strict=True)
            found = iter(torch.autograd.grad(outputs, inputs, given, allow_unused=True))
            of_x = next(found)
            of_before = [next(found) if f else None for f in floating]
            zero = torch.zeros_like
            filled = [zero(x) if of_x is None else of_x, *(zero(x) if g is None else g for g in [*of_before, *found])]
        return [output.detach(), *(a.detach() for a in after), *filled]

    try:
        gradients = [torch.ones_like(x) for _ in states]
        graph = make_fx(both, decomposition_table=dict(core_aten_decompositions()))(x, states, rows, torch.ones_like(x), gradients).graph
    except Exception as error:
        if isinstance(error, UnsupportedError):
            raise
        raise UnsupportedError(
            f"The step of {type(layer).__name__} cannot be traced: {type(error).__name__}: {str(error).splitlines()[0]}"
        ) from error
    if (after := _attributes(step)) != attributes:
        changed = next(name for (place, name), value in after.items() if attributes.get((place, name)) != value)
        raise UnsupportedError(
            f"The step of {type(layer).__name__} changes its attribute {changed!r}, which loops would not: carry it in the state."
        )
    return Traced(graph, tuple(name.removeprefix("layer.") for name in named), len(states))


def rebuilt(like: Any, tensors: list[Tensor]) -> Any:
    """A state of other tensors."""
    each = iter(tensors)

    def build(part: Any) -> Any:
        if part is None or isinstance(part, Tensor):
            return None if part is None else next(each)
        parts = [build(p) for p in part]
        return type(part)(*parts) if hasattr(part, "_fields") else tuple(parts)

    return build(like)


# C++

BINARY = {"add": "+", "sub": "-", "mul": "*", "div": "/", "ge": ">=", "gt": ">", "le": "<=", "lt": "<", "eq": "==", "ne": "!=",
          "logical_and": "&", "logical_or": "|", "bitwise_and": "&", "bitwise_or": "|", "logical_xor": "!=",
          "logical_and_": "&"}  # fmt: skip
FUNCTIONS = {"exp": "exponential", "sigmoid": "sigmoid", "log": "std::log", "sqrt": "std::sqrt", "abs": "std::abs", "tanh": "std::tanh",
             "sin": "std::sin", "cos": "std::cos", "expm1": "std::expm1", "log1p": "std::log1p", "erf": "std::erf",
             "floor": "std::floor", "round": "std::nearbyint"}  # fmt: skip
SAME = ("alias", "detach", "clone", "lift_fresh_copy", "view", "expand", "_unsafe_view", "squeeze", "contiguous")
PRECEDENCE = ("ge", "gt", "le", "lt", "eq", "ne", "logical_and", "logical_or", "bitwise_and", "bitwise_or", "isnan", "isinf", "logical_not")


class Writer:
    """Writes expressions for the nodes of a graph."""

    def __init__(self, traced: Traced):
        self.traced = traced
        nodes = list(traced.graph.nodes)
        inputs = [node for node in nodes if node.op == "placeholder"]
        s, p = traced.states, len(traced.parameters)
        self.x, self.states, self.parameters = inputs[0], inputs[1 : 1 + s], inputs[1 + s : 1 + s + p]
        self.of_output, self.of_states = inputs[1 + s + p], inputs[2 + s + p :]
        results = next(node for node in nodes if node.op == "output").args[0]
        self.output, self.after = results[0], results[1 : 1 + s]
        self.of_x, self.of_before, self.of_parameters = results[1 + s], results[2 + s : 2 + 2 * s], results[2 + 2 * s :]
        self.slopes = [node for node in nodes if "surrogate_slope" in str(node.target)]
        if len({node.args[0] for node in self.slopes}) > 1:
            raise UnsupportedError("A step with several spikes cannot be fused.")
        alone: set[fx.Node] = set(self.parameters)
        for node in nodes:
            if node.op == "call_function" and all(parent in alone for parent in node.all_input_nodes):
                alone.add(node)
        self.alone = alone
        self.invariants: list[fx.Node] = []

    def kind(self, node: fx.Node) -> torch.dtype:
        return node.meta["val"].dtype

    def constant(self, node: Any) -> str | None:
        """The number that an argument is; None where it is computed."""
        if isinstance(node, bool):
            return "true" if node else "false"
        if isinstance(node, int | float):
            return self.number(float(node))
        if not isinstance(node, fx.Node) or node.op != "call_function":
            return None
        name = str(node.target).split(".")[1]
        if name in ("scalar_tensor", "full", "full_like", "zeros_like", "ones_like", "zeros", "ones", "new_zeros"):
            filled: Any = node.args[0 if name == "scalar_tensor" else 1] if name in ("scalar_tensor", "full", "full_like") else None
            value = float("ones" in name) if filled is None else float(filled)
            return ("true" if value else "false") if self.kind(node) is torch.bool else self.number(value)
        return None

    def number(self, value: float) -> str:
        for dtype in (torch.float32, torch.float64):
            if abs(value) == torch.finfo(dtype).max:
                return ("-" if value < 0 else "") + "std::numeric_limits<T>::max()"
        if math.isinf(value):
            return ("-" if value < 0 else "") + "std::numeric_limits<T>::infinity()"
        return "std::numeric_limits<T>::quiet_NaN()" if math.isnan(value) else f"T({value!r})"

    def lines(self, wanted: list[fx.Node], known: dict[fx.Node, str]) -> tuple[list[str], list[str]]:
        """The lines that compute nodes, given what is known; and what each of them is then called."""
        lines: list[str] = []
        seen: dict[str, str] = {}
        names = dict(known)

        def name(node: Any) -> str:
            constant = self.constant(node)
            if constant is not None:
                return constant
            if node in names:
                return names[node]
            expression = self.expression(node, name)
            if expression not in seen:
                if not any(c in expression for c in " (?"):  # another name of something
                    seen[expression] = expression
                else:
                    seen[expression] = f"v{len(lines)}"
                    lines.append(f"const {'bool' if self.kind(node) is torch.bool else 'T'} v{len(lines)} = {expression};")
            names[node] = seen[expression]
            return names[node]

        limit = [node for node in self.traced.graph.nodes if node.op == "call_function"]
        needed = ancestors(wanted, known)
        for node in limit:
            if node in needed and node not in names:
                name(node)
        return lines, [name(node) for node in wanted]

    def expression(self, node: fx.Node, name: Any) -> str:
        target = str(node.target).split(".")[1]
        if "surrogate_slope" in str(node.target):
            return "slopes[i]"
        a = node.args
        if target in ("add", "sub") and (alpha := node.kwargs.get("alpha", 1)) != 1:
            return f"{name(a[0])} {BINARY[target]} {name(alpha)} * {name(a[1])}"
        if target in BINARY:
            return f"{name(a[0])} {BINARY[target]} {name(a[1])}"
        if target == "rsub":
            return f"{name(a[1])} - {name(a[0])}"
        if target in FUNCTIONS:
            return f"{FUNCTIONS[target]}({name(a[0])})"
        if target in SAME:
            return name(a[0])
        if target == "neg":
            return f"-({name(a[0])})"
        if target == "reciprocal":
            return f"T(1) / ({name(a[0])})"
        if target == "rsqrt":
            return f"T(1) / std::sqrt({name(a[0])})"
        if target == "where":
            return f"({name(a[0])}) ? {name(a[1])} : {name(a[2])}"
        if target in ("clamp", "clamp_min", "clamp_max"):
            return self.clamp(node, target, name)
        if target in ("maximum", "minimum"):
            return f"({name(a[0])} {'>' if target == 'maximum' else '<'} {name(a[1])}) ? {name(a[0])} : {name(a[1])}"
        if target == "isnan":
            return f"({name(a[0])}) != ({name(a[0])})"
        if target == "isinf":
            return f"std::abs({name(a[0])}) > std::numeric_limits<T>::max()"
        if target == "logical_not":
            return f"!({name(a[0])})"
        if target in ("sign", "sgn"):
            return f"T(({name(a[0])}) > T(0)) - T(({name(a[0])}) < T(0))"
        if target == "pow":
            return self.power(a, name)
        if target == "_to_copy":
            return self.converted(node, name(a[0]))
        raise UnsupportedError(
            f"There is no loop for PyTorch's {target!r}: a fused step is made of element-wise functions that draw nothing."
        )

    def clamp(self, node: fx.Node, target: str, name: Any) -> str:
        x, *bounds = node.args
        low, high = [*bounds, None, None][:2] if target != "clamp_max" else (None, bounds[0])
        if low is None or high is None:
            bound, sign = (name(high), ">") if low is None else (name(low), "<")
            return f"{name(x)} {sign} {bound} ? {bound} : {name(x)}"
        return f"clamped({name(x)}, {name(low)}, {name(high)})"

    def power(self, a: Any, name: Any) -> str:
        base, exponent = name(a[0]), a[1]
        if exponent in (1, 2, 3):
            return " * ".join([f"({base})"] * int(exponent)) if exponent != 1 else base
        return f"std::sqrt({base})" if exponent == 0.5 else f"std::pow({base}, {name(exponent)})"

    def converted(self, node: fx.Node, text: str) -> str:
        source, to = self.kind(node.args[0]), self.kind(node)  # type: ignore[arg-type]
        if to is torch.bool:
            return text if source is torch.bool else f"({text}) != T(0)"
        if source is torch.bool:
            return f"({text}) ? T(1) : T(0)"
        return text if to.is_floating_point or not source.is_floating_point else f"T(static_cast<int32_t>({text}))"


def ancestors(wanted: list[fx.Node], known: Any) -> set[fx.Node]:
    """All nodes that others are computed of, but what is behind the known ones."""
    found: set[fx.Node] = set()
    waiting = [node for node in wanted if isinstance(node, fx.Node)]
    while waiting:
        node = waiting.pop()
        if node not in found and node not in known:
            found.add(node)
            waiting += node.all_input_nodes
    return found


def struct(name: str, traced: Traced) -> str:
    """The struct of a cell, as C++ text."""
    w = Writer(traced)
    s, p = traced.states, len(traced.parameters)
    slope = dict.fromkeys(w.slopes, "slopes[i]")
    given = {w.x: "x[i]", **{n: f"s{k}[i]" for k, n in enumerate(w.states)}, **{n: f"p{k}[i]" for k, n in enumerate(w.parameters)}}
    back = {**given, **slope, w.of_output: "of_output[i]", **{n: f"g{k}[i]" for k, n in enumerate(w.of_states)}}
    everything = [w.output, *w.after, w.of_x, *w.of_before, *w.of_parameters]
    reached = ancestors(everything, slope)
    wanted: list[fx.Node] = []
    for node in reached - w.alone:
        for parent in node.all_input_nodes:
            if parent in w.alone and parent not in w.parameters and w.constant(parent) is None and parent not in wanted:
                wanted.append(parent)
    wanted.sort(key=list(traced.graph.nodes).index)
    parameters = {n: f"p{k}[i]" for k, n in enumerate(w.parameters)}
    inside, values = w.lines(wanted, parameters)
    kept = [(node, value) for node, value in zip(wanted, values, strict=True) if w.kind(node) is not torch.bool and value.startswith("v")]
    distinct = list(dict.fromkeys(value for _, value in kept))
    hoisted = {node: f"p{p + distinct.index(value)}[i]" for node, value in kept}
    pointers = lambda what, names: [f"{what}* {n}{k} = {a}[{k}];" for n, a, count in names for k in range(count)]
    rows = pointers("const T", [("p", "p", p + len(distinct))])
    text = [f"// Written by ranvier/torch/fused/source.py from a layer's step.\nstruct {name} {{"]
    text.append(f"  static constexpr int states = {s}, parameters = {p}, invariants = {len(distinct)};")
    text.append(f"  static constexpr bool has_surrogate = {'true' if w.slopes else 'false'};")

    def function(head: str, before: list[str], lines: list[str], last: list[str], template: str = "class T") -> None:
        text.append(f"\n  template <{template}>\n  static RANVIER_INLINE void {head} {{")
        text.extend(f"    {line}" for line in before)
        text.append("    RANVIER_INDEPENDENT\n    for (int64_t i = 0; i < n; ++i) {")
        text.extend(f"      {line}" for line in [*lines, *last])
        text.append("    }\n  }")

    targets = pointers("T", [("k", "(p + parameters)", len(distinct))])
    function("prepare(int64_t n, T* const* p)", [*rows[:p], *targets], inside, [f"k{k}[i] = {v};" for k, v in enumerate(distinct)])
    before = [*rows, *pointers("const T", [("s", "s", s)])]
    lines, values = w.lines([w.output, *w.after], {**given, **hoisted})
    stored = [f"y[i] = {values[0]};", *(f"t{k}[i] = {v};" for k, v in enumerate(values[1:]))]
    # All values first: the state after may lie where the state before is.
    named = [f"const T r{k} = {v};" for k, v in enumerate(values)]
    stored = ["y[i] = r0;", *(f"t{k}[i] = r{k + 1};" for k in range(s))]
    after = pointers("T", [("t", "t", s)])
    function("forward(int64_t n, const T* x, T* const* p, T* const* s, T* y, T* const* t)", [*before, *after], lines, [*named, *stored])
    if w.slopes:
        lines, values = w.lines([w.slopes[0].args[0]], {**given, **hoisted})
        function("distance(int64_t n, const T* x, T* const* p, T* const* s, T* d)", before, lines, [f"d[i] = {values[0]};"])
    lines, values = w.lines([w.of_x, *w.of_before, *w.of_parameters], {**back, **hoisted})
    named = [f"const T r{k} = {v};" for k, v in enumerate(values)]
    sums = [f"if (learns) c{k}[i] += r{1 + s + k};" for k in range(p)]
    last = [*named, "of_x[i] = r0;", *(f"g{k}[i] = r{k + 1};" for k in range(s)), *sums]
    gradients = pointers("T", [("g", "g", s), ("c", "c", p)])
    head = (
        "backward(int64_t n, const T* x, T* const* p, T* const* s, const T* slopes, const T* of_output, T* const* g, T* of_x, T* const* c)"
    )
    function(head, [*before, *gradients], lines, last, "bool learns, class T")
    return "\n".join([*text, "};", ""])
