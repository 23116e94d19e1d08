"""NIR, the exchange format of spiking networks: out and in (Pedersen et al. 2024, Nat Commun 15:8122).

What NIR has no field for is refused by name, both ways. NIR's neuron spikes where `v > threshold`, this one where
`v ≥ threshold`: the same but for exact ties.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ranvier.errors import ParameterError, UnsupportedError
from ranvier.torch.current_lif import CurrentLIF
from ranvier.torch.layer import SpikingLayer
from ranvier.torch.lif import LIF, checked_dt
from ranvier.torch.readout import LeakyReadout
from ranvier.torch.recurrent import Recurrent
from ranvier.torch.sequential import Sequential, ordinary

PER_SECOND = {"s": 1e-3, "ms": 1.0}
"""One millisecond in a file's unit of time."""


def library() -> Any:
    """The `nir` package."""
    try:
        return importlib.import_module("nir")
    except ImportError as error:
        raise ImportError("NIR files need the nir package: pip install 'ranvier[nir]'") from error


def unit_of_time(time_unit: str) -> float:
    if time_unit not in PER_SECOND:
        raise ParameterError(f"time_unit must be 's' or 'ms', not {time_unit!r}.")
    return PER_SECOND[time_unit]


# Out


def to_nir(net: SpikingLayer, shape: tuple[int, ...], *, time_unit: str = "s") -> Any:
    """A network as a NIR graph.

    Args:
        net: an `rt.Sequential`, or one layer. It may hold `rt.LIF` (reset to a value, without refractory period, noise or
            stochastic firing), `rt.CurrentLIF` (the same), `rt.LeakyReadout`, `rt.Recurrent` of these with an `nn.Linear`,
            and `nn.Linear`, `nn.Conv1d`, `nn.Conv2d`, `nn.AvgPool2d`, `nn.Flatten`.
        shape: of one sample in one step, without time and batch: `(100,)` or `(1, 28, 28)`.
        time_unit: of the time constants in the graph, `"s"` (as most readers expect) or `"ms"`.

    An `rt.LIF` takes its input as a current, `r = 1/leak`; with `input="impulse"` an input of 1 is a Dirac pulse of area 1, so
    `r = tau` in the unit of time. Of `rt.CurrentLIF` the input is a Dirac pulse too: `w_in = tau_syn`.

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
    nir, unit = library(), unit_of_time(time_unit)
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
    nn.Linear: write_linear,
    nn.Conv1d: write_convolution,
    nn.Conv2d: write_convolution,
    nn.AvgPool2d: write_pool,
    nn.Flatten: write_flatten,
}


# In


def from_nir(graph: Any, *, dt: float, time_unit: str, euler: bool = False, dtype: torch.dtype | None = None) -> Sequential:
    """A NIR graph as an `rt.Sequential`.

    Args:
        graph: an `nir.NIRGraph` (`nir.read(path)`): a chain of nodes, whose neurons may have a loop through one `Linear` or `Affine`.
        dt: the time step of the layers (ms).
        time_unit: of the time constants in the graph, `"s"` or `"ms"`. NIR itself does not say.
        euler: every `rt.LIF` takes Euler steps (`1 − dt/tau` is left after one), for graphs of libraries that do, such as
            snnTorch and Norse.
        dtype: of the parameters.

    A neuron's input is a current that holds over a step, unless the node's metadata says that it is an impulse.

    Returns:
        The layers, named as the nodes.

    Raises:
        UnsupportedError: a node, or a wiring, that there is no layer for, by name.
        ParameterError: a unit of time that the graph's own metadata contradicts.
    """
    nir, unit = library(), unit_of_time(time_unit)
    dt = checked_dt("from_nir", dt)
    said = graph.metadata.get("time_unit")
    if said is not None and str(said) != time_unit:
        raise ParameterError(f"The graph's metadata says that its time_unit is {str(said)!r}, not {time_unit!r}.")
    layers: dict[str, nn.Module] = {}
    for name, loop in chain(nir, graph):
        layer = read(nir, name, graph.nodes[name], dt, unit, dtype)
        if loop is not None:
            layer = Recurrent(layer, read(nir, loop, graph.nodes[loop], dt, unit, dtype))  # type: ignore[arg-type]
        if euler:
            take_euler_steps(name, layer)
        layers[name.replace(".", "_")] = layer
    return Sequential(layers)


def take_euler_steps(name: str, layer: nn.Module) -> None:
    """Makes a neuron take Euler steps."""
    neuron = layer.layer if isinstance(layer, Recurrent) else layer
    if type(neuron) is LIF:
        neuron.euler = True
    elif isinstance(neuron, SpikingLayer):
        raise UnsupportedError(f"{type(neuron).__name__} (NIR node {name!r}) takes exact steps alone: give euler=False.")


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


def read(nir: Any, name: str, node: Any, dt: float, unit: float, dtype: torch.dtype | None) -> nn.Module:
    """A NIR node as a layer."""
    reader = READERS.get(type(node).__name__)
    if reader is None:
        raise UnsupportedError(f"There is no layer for the NIR node {type(node).__name__} ({name!r}). There are for {', '.join(READERS)}.")
    return reader(name, node, dt, unit, dtype)


def time_constant(name: str, tau: Any, dt: float, unit: float, dtype: torch.dtype | None) -> Any:
    """A node's time constant in ms."""
    in_ms = np.asarray(tau, dtype=np.float64) / unit
    if (in_ms < dt).any() or (in_ms > 1e4 * dt).any():
        warnings.warn(
            f"NIR node {name!r} has time constants of {in_ms.min():g} to {in_ms.max():g} ms at a time step of {dt:g} ms: "
            "is time_unit right?",
            stacklevel=5,
        )
    return alike(in_ms, dtype)


def shape_of(array: Any) -> tuple[int, ...] | None:
    return tuple(np.shape(array)) or None


def gain(node: Any, dtype: torch.dtype | None) -> dict[str, Any]:
    """What a node's resistance, and what its metadata says of the input, come to."""
    if node.metadata.get("input") == "impulse":
        if not np.allclose(node.r, node.tau, rtol=1e-9):
            raise UnsupportedError("An impulse must move the potential by 1: r must be equal to tau.")
        return {"input": "impulse"}
    return {"leak": alike(1 / np.asarray(node.r, dtype=np.float64), dtype)}


def read_lif(name: str, node: Any, dt: float, unit: float, dtype: torch.dtype | None) -> nn.Module:
    return LIF(
        shape_of(node.tau),
        tau=time_constant(name, node.tau, dt, unit, dtype),
        dt=dt,
        rest=alike(node.v_leak, dtype),
        threshold=alike(node.v_threshold, dtype),
        reset=alike(node.v_reset, dtype),
        dtype=dtype,
        **gain(node, dtype),
    )


def read_current_lif(name: str, node: Any, dt: float, unit: float, dtype: torch.dtype | None) -> nn.Module:
    if not np.allclose(node.w_in, node.tau_syn, rtol=1e-6):
        raise UnsupportedError(
            f"NIR node {name!r}: an input of 1 must move the current by 1, w_in = tau_syn; put the factor "
            "w_in / tau_syn into the weights before it."
        )
    return CurrentLIF(
        shape_of(node.tau_mem),
        tau=time_constant(name, node.tau_mem, dt, unit, dtype),
        synapse_tau=time_constant(name, node.tau_syn, dt, unit, dtype),
        dt=dt,
        leak=alike(1 / np.asarray(node.r, dtype=np.float64), dtype),
        rest=alike(node.v_leak, dtype),
        threshold=alike(node.v_threshold, dtype),
        reset=alike(node.v_reset, dtype),
        dtype=dtype,
    )


def read_readout(name: str, node: Any, dt: float, unit: float, dtype: torch.dtype | None) -> nn.Module:
    tau = time_constant(name, node.tau, dt, unit, dtype)
    return LeakyReadout(shape_of(node.tau), tau=tau, dt=dt, rest=alike(node.v_leak, dtype), dtype=dtype, **gain(node, dtype))


def filled_with(layer: Any, node: Any, dtype: torch.dtype | None) -> nn.Module:
    layer.weight = nn.Parameter(tensor(node.weight, dtype))
    if layer.bias is not None:
        layer.bias = nn.Parameter(tensor(node.bias, dtype))
    return layer


def read_linear(name: str, node: Any, dt: float, unit: float, dtype: torch.dtype | None) -> nn.Module:
    outputs, inputs = np.shape(node.weight)
    return filled_with(nn.Linear(inputs, outputs, bias=hasattr(node, "bias"), dtype=dtype), node, dtype)


def read_convolution(name: str, node: Any, dt: float, unit: float, dtype: torch.dtype | None) -> nn.Module:
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
        dtype=dtype,
    )
    return filled_with(layer, node, dtype)


def pair(value: Any) -> tuple[int, int]:
    first, second = (int(v) for v in np.broadcast_to(value, 2))
    return first, second


def read_average(name: str, node: Any, dt: float, unit: float, dtype: torch.dtype | None) -> nn.Module:
    return nn.AvgPool2d(pair(node.kernel_size), pair(node.stride), pair(node.padding))


def read_sum(name: str, node: Any, dt: float, unit: float, dtype: torch.dtype | None) -> nn.Module:
    return nn.AvgPool2d(pair(node.kernel_size), pair(node.stride), pair(node.padding), divisor_override=1)


def read_flatten(name: str, node: Any, dt: float, unit: float, dtype: torch.dtype | None) -> nn.Module:
    end = int(node.end_dim)
    return nn.Flatten(int(node.start_dim) + 1, end if end < 0 else end + 1)


READERS: dict[str, Callable[[str, Any, float, float, torch.dtype | None], nn.Module]] = {
    "LIF": read_lif,
    "CubaLIF": read_current_lif,
    "LI": read_readout,
    "Affine": read_linear,
    "Linear": read_linear,
    "Conv1d": read_convolution,
    "Conv2d": read_convolution,
    "AvgPool2d": read_average,
    "SumPool2d": read_sum,
    "Flatten": read_flatten,
}
