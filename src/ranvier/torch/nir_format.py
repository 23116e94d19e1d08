"""NIR, the exchange format of spiking networks: out and in (Pedersen et al. 2024, Nat Commun 15:8122).

What NIR has no field for is refused by name, both ways. NIR's neuron spikes where `v > threshold`, this one where
`v ≥ threshold`: the same but for exact ties.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ranvier.errors import ParameterError, UnsupportedError, warn
from ranvier.torch import arguments
from ranvier.torch.arguments import checked
from ranvier.torch.current_lif import CurrentLIF, charge
from ranvier.torch.current_readout import CurrentReadout
from ranvier.torch.delay import Delay
from ranvier.torch.layer import SpikingLayer
from ranvier.torch.lif import LIF
from ranvier.torch.readout import LeakyReadout
from ranvier.torch.recurrent import Recurrent
from ranvier.torch.sequential import Sequential, ordinary

PER_SECOND = {"s": 1e-3, "ms": 1.0}
"""One millisecond in a file's unit of time."""
FOR_EVER = 1e18
"""A time constant (ms) of a membrane that keeps all."""


def library() -> Any:
    """The `nir` package."""
    try:
        return importlib.import_module("nir")
    except ImportError as error:
        raise ImportError("NIR files need the nir package: pip install 'ranvier[nir]'") from error


UNIT = arguments.word(*PER_SECOND)


def a_graph(name: str, value: Any) -> Any:
    return arguments.instance(library().NIRGraph, "nir.read(path)")(name, value)


def a_shape(name: str, value: Any) -> tuple[int, ...]:
    if value is None or not isinstance(value, tuple | list | int):
        raise ParameterError(f"{name} must be a tuple of whole numbers, such as (100,), not {arguments.shown(value)}.")
    return arguments.size(name, value)


# Out


@checked(net=arguments.instance(SpikingLayer, "rt.Sequential(…)"), shape=a_shape, time_unit=UNIT)
def to_nir(net: SpikingLayer, shape: tuple[int, ...], *, time_unit: str = "s") -> Any:
    """A network as a NIR graph.

    Args:
        net: an `rt.Sequential`, or one layer. It may hold `rt.LIF` (reset to a value, without refractory period, noise or
            stochastic firing), `rt.CurrentLIF` (the same), `rt.LeakyReadout`, `rt.CurrentReadout`, `rt.Delay`, `rt.Recurrent` of
            these with an `nn.Linear`, and `nn.Linear`, `nn.Conv1d`, `nn.Conv2d`, `nn.AvgPool2d`, `nn.Flatten`.
        shape: of one sample in one step, without time and batch: `(100,)` or `(1, 28, 28)`.
        time_unit: of the time constants in the graph, `"s"` (as most readers expect) or `"ms"`.

    An `rt.LIF` takes its input as a current, `r = 1/leak`; with `input="impulse"` an input of 1 is a Dirac pulse of area 1, so
    `r = tau` in the unit of time. Of `rt.CurrentLIF` and `rt.CurrentReadout` the input is a Dirac pulse too: `w_in = tau_syn`.

    Returns:
        An `nir.NIRGraph`, which `nir.write(path, graph)` saves. Its metadata has `dt` and `time_unit`.

    Raises:
        UnsupportedError: what NIR has no field for, by name.

    Example:
        >>> import torch, ranvier.torch as rt
        >>> graph = rt.to_nir(rt.Sequential(nn.Linear(3, 2), rt.LIF(2, tau=10.0)), (3,))
        >>> sorted(graph.nodes), graph.nodes["1"].tau
        (['0', '1', 'input', 'output'], array([0.01, 0.01]))
    """
    nir, unit = library(), PER_SECOND[time_unit]
    layers = dict(net.named_children()) if isinstance(net, Sequential) else {"0": net}
    nodes: dict[str, Any] = {"input": nir.Input(input_type={"input": np.array(shape)})}
    edges: list[tuple[str, str]] = []
    last, x = "input", torch.zeros(1, 1, *shape)
    steps: set[float] = set()
    for name, layer in layers.items():
        inner = layer.layer if isinstance(layer, Recurrent) else layer
        if isinstance(layer, Recurrent):
            if not isinstance(layer.connection, nn.Linear):
                raise UnsupportedError(f"NIR: the connection of {name!r} must be an nn.Linear, not {type(layer.connection).__name__}.")
            nodes[f"{name}.connection"] = written(name, layer.connection, tuple(x.shape[2:]), unit)
            edges += [(name, f"{name}.connection"), (f"{name}.connection", name)]
        nodes[name] = written(name, inner, tuple(x.shape[2:]), unit)
        edges.append((last, name))
        last = name
        with torch.no_grad():
            x = layer(x)[0] if isinstance(layer, SpikingLayer) else ordinary(name, layer, x, one_step=False)
        steps |= {float(inner.dt)} if isinstance(inner, SpikingLayer) else set()  # type: ignore[arg-type]
    if len(steps) > 1:
        raise UnsupportedError(f"NIR: the layers have different time steps ({', '.join(f'{s:g}' for s in sorted(steps))} ms).")
    nodes["output"] = nir.Output(output_type={"output": np.array(x.shape[2:])})
    edges.append((last, "output"))
    metadata = {"time_unit": time_unit, **({"dt": steps.pop() * unit} if steps else {})}
    return nir.NIRGraph(nodes=nodes, edges=edges, metadata=metadata)


def written(name: str, layer: nn.Module, shape: tuple[int, ...], unit: float) -> Any:
    """A layer as a NIR node."""
    for kind, write in WRITERS.items():
        if type(layer) is kind:
            return write(name, layer, shape, unit)
    known = ", ".join(kind.__name__ for kind in WRITERS)
    raise UnsupportedError(f"NIR has no node for {type(layer).__name__} (layer {name!r}). It has one for {known}.")


def full(value: Any, shape: tuple[int, ...], scale: float = 1.0) -> np.ndarray:
    """A parameter as an array of the layer's shape."""
    array = value.detach().cpu().double().numpy() if isinstance(value, Tensor) else np.float64(value)
    return np.broadcast_to(array * scale, shape).copy()


def refuse_features(name: str, layer: LIF) -> None:
    """Raises where a neuron does what NIR has no field for."""
    features = {
        "a refractory period": layer.refractory > 0,
        "reset_by='subtraction'": layer.reset_by == "subtraction",
        "membrane noise": layer.noise.number != 0.0,
        "stochastic firing": layer.firing is not None,
    }
    for feature, has in features.items():
        if has:
            raise UnsupportedError(f"NIR has no field for {feature} (layer {name!r}, {type(layer).__name__}).")


def write_lif(name: str, layer: LIF, shape: tuple[int, ...], unit: float) -> Any:
    refuse_features(name, layer)
    tau = full(layer.tau.value, shape, unit)
    return library().LIF(
        tau=tau,
        r=tau.copy() if layer.input == "impulse" else 1 / full(layer.leak.value, shape),
        v_leak=full(layer.rest.value, shape),
        v_threshold=full(layer.threshold.value, shape),
        v_reset=full(layer.reset.value, shape),
        metadata={"input": layer.input},
    )


def write_current_lif(name: str, layer: CurrentLIF, shape: tuple[int, ...], unit: float) -> Any:
    refuse_features(name, layer)
    synapse = full(layer.synapse_tau.value, shape, unit)
    return library().CubaLIF(
        tau_syn=synapse,
        tau_mem=full(layer.tau.value, shape, unit),
        r=1 / full(layer.leak.value, shape),
        v_leak=full(layer.rest.value, shape),
        v_threshold=full(layer.threshold.value, shape),
        v_reset=full(layer.reset.value, shape),
        w_in=synapse.copy(),
    )


def write_current_readout(name: str, layer: CurrentReadout, shape: tuple[int, ...], unit: float) -> Any:
    synapse = full(layer.synapse_tau.value, shape, unit)
    return library().CubaLI(
        tau_syn=synapse,
        tau_mem=full(layer.tau.value, shape, unit),
        r=1 / full(layer.leak.value, shape),
        v_leak=full(layer.rest.value, shape),
        w_in=synapse.copy(),
    )


def write_delay(name: str, layer: Delay, shape: tuple[int, ...], unit: float) -> Any:
    return library().Delay(delay=full(layer.delay.value, shape, unit))


def write_readout(name: str, layer: LeakyReadout, shape: tuple[int, ...], unit: float) -> Any:
    tau = full(layer.tau.value, shape, unit)
    r = tau.copy() if layer.input == "impulse" else 1 / full(layer.leak.value, shape)
    return library().LI(tau=tau, r=r, v_leak=full(layer.rest.value, shape), metadata={"input": layer.input})


def write_linear(name: str, layer: nn.Linear, shape: tuple[int, ...], unit: float) -> Any:
    weight = full(layer.weight, tuple(layer.weight.shape))
    if layer.bias is None:
        return library().Linear(weight=weight)
    return library().Affine(weight=weight, bias=full(layer.bias, tuple(layer.bias.shape)))


def write_convolution(name: str, layer: Any, shape: tuple[int, ...], unit: float) -> Any:
    flat = isinstance(layer, nn.Conv1d)
    given = {"stride": layer.stride, "padding": layer.padding, "dilation": layer.dilation}
    if flat:
        given = {key: value[0] if isinstance(value, tuple) else value for key, value in given.items()}
    if layer.padding_mode != "zeros":
        raise UnsupportedError(f"NIR has no field for padding_mode={layer.padding_mode!r} (layer {name!r}).")
    return (library().Conv1d if flat else library().Conv2d)(
        input_shape=shape[-1] if flat else shape[-2:],
        weight=full(layer.weight, tuple(layer.weight.shape)),
        bias=np.zeros(layer.out_channels) if layer.bias is None else full(layer.bias, tuple(layer.bias.shape)),
        groups=layer.groups,
        **given,
    )


def write_pool(name: str, layer: nn.AvgPool2d, shape: tuple[int, ...], unit: float) -> Any:
    if layer.ceil_mode or layer.divisor_override is not None:
        raise UnsupportedError(f"NIR has no field for ceil_mode or divisor_override (layer {name!r}).")
    pair = lambda value: np.broadcast_to(np.array(value), 2).copy()
    return library().AvgPool2d(kernel_size=pair(layer.kernel_size), stride=pair(layer.stride), padding=pair(layer.padding))


def write_flatten(name: str, layer: nn.Flatten, shape: tuple[int, ...], unit: float) -> Any:
    if layer.start_dim < 1:
        raise UnsupportedError(f"NIR: layer {name!r} flattens the batch (start_dim={layer.start_dim}).")
    end = layer.end_dim if layer.end_dim < 0 else layer.end_dim - 1
    return library().Flatten(input_type={"input": np.array(shape)}, start_dim=layer.start_dim - 1, end_dim=end)


WRITERS: dict[type, Callable[[str, Any, tuple[int, ...], float], Any]] = {
    LIF: write_lif,
    CurrentLIF: write_current_lif,
    LeakyReadout: write_readout,
    CurrentReadout: write_current_readout,
    Delay: write_delay,
    nn.Linear: write_linear,
    nn.Conv1d: write_convolution,
    nn.Conv2d: write_convolution,
    nn.AvgPool2d: write_pool,
    nn.Flatten: write_flatten,
}


# In


class Reading(NamedTuple):
    """What every node is read with.

    Attributes:
        dt: the time step (ms).
        unit: one millisecond in the graph's unit of time.
        euler: whether the neurons take Euler steps.
        reset_by: as of `rt.LIF`.
        dtype: of the parameters.
    """

    dt: float
    unit: float
    euler: bool
    reset_by: str
    dtype: torch.dtype | None


@checked(
    graph=a_graph,
    dt=arguments.optional(arguments.time_step),
    time_unit=arguments.optional(UNIT),
    euler=arguments.flag,
    reset_by=arguments.word("value", "subtraction"),
    dtype=arguments.dtype,
)
def from_nir(
    graph: Any,
    *,
    dt: float | None = None,
    time_unit: str | None = None,
    euler: bool = False,
    reset_by: str = "value",
    dtype: torch.dtype | None = None,
) -> Sequential:
    """A NIR graph as an `rt.Sequential`.

    Args:
        graph: an `nir.NIRGraph` (`nir.read(path)`): a chain of nodes, whose neurons may have a loop through one `Linear` or `Affine`.
        dt: the time step of the layers (ms); None takes the one in the graph's metadata, where `rt.to_nir` writes it.
        time_unit: of the time constants in the graph, `"s"` or `"ms"`; NIR itself does not say. None takes that of the metadata.
        euler: the neurons take Euler steps (`1 − dt/tau` is left after one), for graphs of libraries that do, such as snnTorch
            and Norse. A `CubaLIF` or `CubaLI` is then what snnTorch makes of it: a step's input moves the current by
            `w_in·dt/tau_syn`, and the new current the potential by `r·dt/tau_mem`.
        reset_by: as of `rt.LIF`, for graphs whose neurons were trained with `"subtraction"`, which NIR has no field for.
        dtype: of the parameters.

    A neuron's input is a current that holds over a step, unless the node's metadata says that it is an impulse. That of a
    `CubaLIF` or `CubaLI` moves the current by `w_in / tau_syn` at once. An `IF` becomes an `rt.LIF` whose leak is beyond what
    numbers hold: an input moves its potential by `r·dt`, dt in the graph's unit of time. Graphs whose IF nodes count steps are
    read with `dt=1.0, time_unit="ms"`.

    Returns:
        The layers, named as the nodes.

    Raises:
        UnsupportedError: a node, or a wiring, that there is no layer for, by name.
        ParameterError: a unit of time that the graph's own metadata contradicts; a dt that is given nowhere.

    Example:
        >>> import torch, ranvier.torch as rt
        >>> net = rt.Sequential(nn.Linear(3, 2), rt.LIF(2, tau=10.0, dt=0.5))
        >>> back = rt.from_nir(rt.to_nir(net, (3,)))           # its own files say dt and the unit of time
        >>> back[1].dt, round(back[1].tau.value, 6)
        (0.5, 10.0)
    """
    nir = library()
    said = graph.metadata.get("time_unit")
    if time_unit is None and said is None:
        raise ParameterError("from_nir: the graph's metadata has no time_unit: give time_unit='s' or 'ms'.")
    if None not in (said, time_unit) and str(said) != time_unit:
        raise ParameterError(f"from_nir: the graph's metadata says that its time_unit is {str(said)!r}, not {time_unit!r}.")
    unit = PER_SECOND[UNIT("from_nir: time_unit in the graph's metadata", str(said)) if time_unit is None else time_unit]
    if dt is None:
        if "dt" not in graph.metadata:
            raise ParameterError("from_nir: the graph's metadata has no dt: give dt= in ms.")
        dt = arguments.time_step("from_nir: dt in the graph's metadata", float(graph.metadata["dt"]) / unit)
    given = Reading(dt, unit, euler, reset_by, dtype)
    layers: dict[str, nn.Module] = {}
    for name, loop in chain(nir, graph):
        layer = read(name, graph.nodes[name], given)
        if loop is not None:
            layer = Recurrent(layer, read(loop, graph.nodes[loop], given))
        layers[name.replace(".", "_")] = layer
    return Sequential(layers)


def chain(nir: Any, graph: Any) -> list[tuple[str, str | None]]:
    """The nodes from input to output in order, each with the node of its loop."""
    after: dict[str, list[str]] = {}
    for source, target in graph.edges:
        after.setdefault(source, []).append(target)
    inputs = [name for name, node in graph.nodes.items() if isinstance(node, nir.Input)]
    if len(inputs) != 1:
        raise UnsupportedError(f"The graph has {len(inputs)} inputs; a Sequential has one.")
    order: list[tuple[str, str | None]] = []
    seen, now = set(), inputs[0]
    while True:
        onward = after.get(now, [])
        loops = [n for n in onward if after.get(n) == [now]]
        onward = [n for n in onward if n not in loops]
        if now != inputs[0]:
            order.append((now, loops[0] if loops else None))
        if len(loops) > 1 or len(onward) != 1 or onward[0] in seen:
            raise UnsupportedError(
                f"Node {now!r} is wired to {[*loops, *onward]}: the graph must be a chain, with at most one loop a neuron."
            )
        now = onward[0]
        seen.add(now)
        if isinstance(graph.nodes[now], nir.Output):
            left = set(graph.nodes) - seen - {inputs[0]} - {loop for _, loop in order}
            if left:
                raise UnsupportedError(f"The graph must be a chain; {sorted(left)} are beside it.")
            return order


def tensor(array: Any, dtype: torch.dtype | None) -> Tensor:
    return torch.as_tensor(np.asarray(array), dtype=dtype or torch.get_default_dtype())


def alike(array: Any, dtype: torch.dtype | None) -> Any:
    """An array as a number where its values are all one, else as a tensor."""
    values = np.asarray(array, dtype=np.float64)
    return float(values.flat[0]) if values.size and (values == values.flat[0]).all() else tensor(values, dtype)


def read(name: str, node: Any, given: Reading) -> Any:
    """A NIR node as a layer."""
    reader = READERS.get(type(node).__name__)
    if reader is None:
        raise UnsupportedError(f"There is no layer for the NIR node {type(node).__name__} ({name!r}). There are for {', '.join(READERS)}.")
    return reader(name, node, given)


def in_ms(name: str, tau: Any, given: Reading) -> np.ndarray:
    """A node's time constants in ms."""
    taus = np.asarray(tau, dtype=np.float64) / given.unit
    if given.euler and (taus < given.dt).any():
        raise ParameterError(
            f"from_nir: NIR node {name!r} has time constants from {taus.min():g} ms on, below dt = {given.dt:g} ms: the Euler form is "
            "unstable; use euler=False or a smaller dt."
        )
    if (taus < given.dt).any() or (taus > 1e4 * given.dt).any():
        warn(
            f"NIR node {name!r} has time constants of {taus.min():g} to {taus.max():g} ms at a time step of {given.dt:g} ms: "
            "is time_unit right?",
        )
    return taus


def shape_of(array: Any) -> tuple[int, ...] | None:
    return tuple(np.shape(array)) or None


def gain(node: Any, given: Reading) -> dict[str, Any]:
    """What a node's resistance, and what its metadata says of the input, come to."""
    if node.metadata.get("input") == "impulse":
        if not np.allclose(node.r, node.tau, rtol=1e-9):
            raise UnsupportedError("An impulse must move the potential by 1: r must be equal to tau.")
        return {"input": "impulse"}
    return {"leak": alike(1 / np.asarray(node.r, dtype=np.float64), given.dtype)}


def firing(node: Any, given: Reading) -> dict[str, Any]:
    """When a neuron fires, and what it does then."""
    return {
        "threshold": alike(node.v_threshold, given.dtype),
        "reset": alike(node.v_reset, given.dtype),
        "reset_by": given.reset_by,
        "dt": given.dt,
        "dtype": given.dtype,
    }


def read_lif(name: str, node: Any, given: Reading) -> nn.Module:
    tau, rest = alike(in_ms(name, node.tau, given), given.dtype), alike(node.v_leak, given.dtype)
    return LIF(shape_of(node.tau), tau=tau, rest=rest, euler=given.euler, **firing(node, given), **gain(node, given))


def read_if(name: str, node: Any, given: Reading) -> nn.Module:
    """Nothing leaks in 1e18 ms: what is left after a step is 1 in double precision, and what an input moves is r·dt."""
    moved = np.asarray(node.r, dtype=np.float64) * given.unit
    return LIF(shape_of(node.r), tau=FOR_EVER, leak=alike(1 / (FOR_EVER * moved), given.dtype), **firing(node, given))


def membrane(name: str, node: Any, given: Reading) -> dict[str, Any]:
    """The time constants and the leak of a neuron with a synaptic current."""
    membrane, synapse = in_ms(name, node.tau_mem, given), in_ms(name, node.tau_syn, given)
    moved = np.asarray(node.r, dtype=np.float64) * np.asarray(node.w_in, dtype=np.float64)
    leak = np.asarray(node.tau_syn, dtype=np.float64) / moved
    if given.euler:
        kept = [1 - given.dt / tau for tau in (membrane, synapse)]
        if any((left <= 0).any() for left in kept):
            raise UnsupportedError(f"NIR node {name!r}: a time constant of dt itself leaves nothing after an Euler step.")
        share = (given.dt / membrane) * (given.dt / synapse) * moved
        membrane, synapse = (-given.dt / np.log(left) for left in kept)
        exact = charge(given.dt, *(torch.as_tensor(tau, dtype=torch.float64) for tau in (membrane, synapse)))
        leak = exact.numpy() / share
    return {
        "tau": alike(membrane, given.dtype),
        "synapse_tau": alike(synapse, given.dtype),
        "leak": alike(leak, given.dtype),
        "rest": alike(node.v_leak, given.dtype),
    }


def read_current_lif(name: str, node: Any, given: Reading) -> nn.Module:
    return CurrentLIF(shape_of(node.tau_mem), **membrane(name, node, given), **firing(node, given))


def read_current_readout(name: str, node: Any, given: Reading) -> nn.Module:
    return CurrentReadout(shape_of(node.tau_mem), **membrane(name, node, given), dt=given.dt, dtype=given.dtype)


def read_readout(name: str, node: Any, given: Reading) -> nn.Module:
    tau = in_ms(name, node.tau, given)
    if given.euler:
        raise UnsupportedError(f"LeakyReadout (NIR node {name!r}) takes exact steps alone: give euler=False.")
    return LeakyReadout(
        shape_of(node.tau),
        tau=alike(tau, given.dtype),
        dt=given.dt,
        rest=alike(node.v_leak, given.dtype),
        dtype=given.dtype,
        **gain(node, given),
    )


def read_delay(name: str, node: Any, given: Reading) -> nn.Module:
    delay = alike(np.asarray(node.delay, dtype=np.float64) / given.unit, torch.float64)
    return Delay(shape_of(node.delay), delay=delay, dt=given.dt)


def filled_with(layer: Any, node: Any, dtype: torch.dtype | None) -> nn.Module:
    layer.weight = nn.Parameter(tensor(node.weight, dtype))
    if layer.bias is not None:
        layer.bias = nn.Parameter(tensor(node.bias, dtype))
    return layer


def read_linear(name: str, node: Any, given: Reading) -> nn.Module:
    outputs, inputs = np.shape(node.weight)
    return filled_with(nn.Linear(inputs, outputs, bias=hasattr(node, "bias"), dtype=given.dtype), node, given.dtype)


def read_convolution(name: str, node: Any, given: Reading) -> nn.Module:
    weight = np.asarray(node.weight)
    make: Any = nn.Conv1d if weight.ndim == 3 else nn.Conv2d
    plain = lambda value: value if isinstance(value, str | int) else tuple(int(v) for v in np.atleast_1d(value))
    layer = make(
        weight.shape[1] * node.groups,
        weight.shape[0],
        weight.shape[2:],
        stride=plain(node.stride),
        padding=plain(node.padding),
        dilation=plain(node.dilation),
        groups=node.groups,
        dtype=given.dtype,
    )
    return filled_with(layer, node, given.dtype)


def pair(value: Any) -> tuple[int, int]:
    first, second = (int(v) for v in np.broadcast_to(value, 2))
    return first, second


def read_average(name: str, node: Any, given: Reading) -> nn.Module:
    return nn.AvgPool2d(pair(node.kernel_size), pair(node.stride), pair(node.padding))


def read_sum(name: str, node: Any, given: Reading) -> nn.Module:
    return nn.AvgPool2d(pair(node.kernel_size), pair(node.stride), pair(node.padding), divisor_override=1)


def read_flatten(name: str, node: Any, given: Reading) -> nn.Module:
    end = int(node.end_dim)
    return nn.Flatten(int(node.start_dim) + 1, end if end < 0 else end + 1)


READERS: dict[str, Callable[[str, Any, Reading], nn.Module]] = {
    "LIF": read_lif,
    "CubaLIF": read_current_lif,
    "IF": read_if,
    "LI": read_readout,
    "CubaLI": read_current_readout,
    "Delay": read_delay,
    "Affine": read_linear,
    "Linear": read_linear,
    "Conv1d": read_convolution,
    "Conv2d": read_convolution,
    "AvgPool2d": read_average,
    "SumPool2d": read_sum,
    "Flatten": read_flatten,
}
