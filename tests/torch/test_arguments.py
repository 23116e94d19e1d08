"""Every public class and function, each of its arguments with each of some forty wrong values: an error of ours with the argument's
name in it, or a result in numbers. Nothing else: no raw error, no silence about what cannot be meant."""

import decimal
import fractions
import inspect
import math
import types

import numpy as np
import pytest
import torch
from torch import nn

import ranvier as rv
import ranvier.torch as rt
from ranvier.errors import RanvierError, UnknownNameError
from ranvier.torch.layer import leaves

N = 4
X = torch.rand(5, 3, N, generator=torch.Generator().manual_seed(0))


class WithUnits(np.ndarray):
    """As the quantities of other libraries are: an array that carries a unit."""

    units = "ms"


WRONG = {
    "None": None,
    "True": True,
    "0": 0,
    "-1": -1,
    "-1.5": -1.5,
    "0.3": 0.3,
    "1e-320": 1e-320,
    "1e300": 1e300,
    "inf": math.inf,
    "-inf": -math.inf,
    "nan": math.nan,
    "2**31": 2**31,
    "10**400": 10**400,
    "1j": 1j,
    "decimal": decimal.Decimal(2),
    "fraction": fractions.Fraction(1, 2),
    "numpy number": np.float32(2.0),
    "numpy bool": np.bool_(True),
    "text": "20",
    "bytes": b"20",
    "object": object(),
    "class": dict,
    "class of ours": rt.LIF,
    "layer": rt.LIF(3),
    "function": lambda *_: None,
    "module": nn.Linear(3, 7),
    "list": [1.0, 2.0, 3.0],
    "list of texts": ["?", "!"],
    "ragged list": [[1.0], [1.0, 2.0]],
    "empty list": [],
    "dict": {"tau": 1.0},
    "set": {1, 2},
    "array of another length": np.ones(7),
    "array of objects": np.array([object()]),
    "array of NaN": np.full(N, np.nan),
    "quantity": np.full(N, 20.0).view(WithUnits),
    "tensor of another length": torch.ones(7),
    "empty tensor": torch.ones(0),
    "tensor of NaN": torch.full((N,), math.nan),
    "complex tensor": torch.ones(N, dtype=torch.complex64),
    "integer tensor": torch.ones(N, dtype=torch.int64),
    "boolean tensor": torch.ones(N, dtype=torch.bool),
    "sparse tensor": torch.eye(N).to_sparse(),
    "tensor without values": torch.ones(N, device="meta"),
    "dtype": torch.int32,
    "device": torch.device("meta"),
    "distribution": rv.normal(1.0, 0.1),
}
NEVER = (
    "bytes",
    "object",
    "class",
    "array of objects",
    "complex tensor",
    "ragged list",
    "set",
    "1j",
    "list of texts",
    "quantity",
    "sparse tensor",
)
"""What no argument can mean."""

LIKE_LIF = {
    "size": N, "tau": 5.0, "dt": 1.0, "leak": 1.0, "rest": 0.0, "threshold": 1.0, "reset": 0.0, "reset_by": "value", "refractory": 1.0,
    "input": "current", "noise": 0.0, "firing": None, "surrogate": rt.ArcTangent(), "detach_reset": False, "euler": False, "learn": (),
    "generator": None, "backend": "auto", "device": None, "dtype": None,
}  # fmt: skip
WITHOUT = lambda of, *names: {name: value for name, value in of.items() if name not in names}
START = rt.LIFState(torch.zeros(3, N))
STEP = {
    "state": START, "decay": 0.9, "gain": 1.0, "rest": 0.0, "threshold": 1.0, "reset": 0.0, "reset_by_subtraction": False, "refractory": 0,
    "threshold_decay": 1.0, "threshold_jump": 0.0, "threshold_min": -1.0, "threshold_max": 2.0, "noise": None, "uniform": None,
    "slope": 1.0, "surrogate": rt.ArcTangent(), "detach_reset": False,
}  # fmt: skip
V, SPIKES = torch.rand(20, 3), (torch.rand(20, 3) > 0.5).float()
DRIVEN = lambda: rv.Network(rv.Population(2, rv.neurons.LeakyIntegrateAndFire(), current=rt.TensorCurrent(), name="cells"))
GRAPH = lambda: rt.to_nir(rt.Sequential(rt.LIF(2)), (2,))

LEAKY = types.SimpleNamespace(
    beta=0.9, threshold=1.0, reset_mechanism="zero", inhibition=False, state_quant=False, graded_spikes_factor=1.0
)
NORSE = types.SimpleNamespace(p=types.SimpleNamespace(tau_mem_inv=100.0, tau_syn_inv=200.0, v_leak=0.0, v_th=1.0, v_reset=0.0), dt=1e-3)

CALLS = {
    "LIF": (rt.LIF, LIKE_LIF),
    "AdaptiveLIF": (
        rt.AdaptiveLIF,
        {**LIKE_LIF, "threshold_tau": 20.0, "threshold_jump": 0.1, "threshold_min": 0.5, "threshold_max": 2.0},
    ),
    "CurrentLIF": (rt.CurrentLIF, {**WITHOUT(LIKE_LIF, "input", "euler"), "synapse_tau": 3.0}),
    "LeakyReadout": (
        rt.LeakyReadout,
        {"size": N, "tau": 5.0, "dt": 1.0, "leak": 1.0, "rest": 0.0, "input": "current", "learn": (), "device": None, "dtype": None},
    ),
    "CurrentReadout": (
        rt.CurrentReadout,
        {"size": N, "tau": 5.0, "synapse_tau": 3.0, "dt": 1.0, "leak": 1.0, "rest": 0.0, "learn": (), "device": None, "dtype": None},
    ),
    "Delay": (rt.Delay, {"size": N, "delay": 2.0, "dt": 1.0}),
    "Izhikevich": (rt.Izhikevich, dict.fromkeys(("size", "a", "b", "c", "d", "peak", "initial_potential", "dt", "scheme", "surrogate",
        "detach_reset", "learn", "device", "dtype"))),
    "AdEx": (rt.AdEx, dict.fromkeys(("size", "capacitance", "leak", "rest", "threshold", "slope", "adaptation", "adaptation_tau",
        "adaptation_jump", "reset", "peak", "refractory", "dt", "surrogate", "detach_reset", "learn", "device", "dtype"))),
    "Bernoulli": (rt.Bernoulli, {"size": N, "slope": 1.0, "learn": (), "generator": None, "device": None, "dtype": None}),
    "AutoregressiveBernoulli": (
        rt.AutoregressiveBernoulli,
        {"size": N, "tau": 20.0, "dt": 1.0, "feedback": 0.0, "reset": 0.0, "euler": False, "learn": (), "generator": None,
         "device": None, "dtype": None},
    ),
    "ShortTermPlasticity": (
        rt.ShortTermPlasticity,
        {"size": N, "use": 0.2, "facilitation_tau": 9.0, "recovery_tau": 9.0, "dt": 1.0, "learn": (), "device": None, "dtype": None},
    ),
    "Delays": (
        rt.Delays,
        {"inputs": N, "outputs": 2, "max_delay": 3.0, "dt": 1.0, "delay": 1.0, "width": 1.0, "learn": "weight", "device": None,
         "dtype": None},
    ),
    "Fused": (rt.Fused, {"layer": None}),
    "Recurrent": (rt.Recurrent, {"layer": rt.LIF(N), "connection": nn.Linear(N, N)}),
    "Sequential": (lambda layers: rt.Sequential(layers), {"layers": rt.LIF(N)}),
    "WithFeedback": (
        lambda neuron, mechanisms: rt.WithFeedback(neuron, mechanisms),
        {"neuron": rt.LIF(N), "mechanisms": rt.SynapticEfficiency()},
    ),
    "AdaptationCurrent": (rt.AdaptationCurrent, {"tau": 9.0, "jump": 0.1, "dt": 1.0, "euler": False, "learn": ()}),
    "SynapticEfficiency": (rt.SynapticEfficiency, {"use": 0.1, "tau": 9.0, "dt": 1.0, "euler": False, "learn": ()}),
    "DynamicSlope": (rt.DynamicSlope, {"tau": 9.0, "dt": 1.0}),
    "Neuromodulation": (rt.Neuromodulation, {"mode": "shift", "strength": 1.0, "transform": None}),
    "SigmoidFiring": (rt.SigmoidFiring, {"slope": 1.0, "learn": False}),
    "FastSigmoid": (rt.FastSigmoid, {"slope": 1.0}),
    "ArcTangent": (rt.ArcTangent, {"slope": 1.0}),
    "Triangle": (rt.Triangle, {"height": 1.0, "width": 1.0}),
    "Gaussian": (rt.Gaussian, {"width": 1.0}),
    "StraightThrough": (rt.StraightThrough, {}),
    "MultiGaussian": (rt.MultiGaussian, {"width": 1.0, "stretch": 2.0, "weight": 0.1}),
    "lif_step": (rt.lif_step, {"x": X[0], **STEP}),
    "lif_sequence": (rt.lif_sequence, {"x": X, **STEP}),
    "stochastic_spike": (rt.stochastic_spike, {"z": X, "uniform": torch.rand(X.shape)}),
    "map_state": (rt.map_state, {"function": lambda x: x, "state": START}),
    "trace": (rt.trace, {"layer": rt.LIF(N), "x": X, "state": None}),
    "truncated": (lambda **given: list(rt.truncated(**given)), {"layer": rt.LIF(N), "x": X, "state": None, "every": 2}),
    "checkpointed": (rt.checkpointed, {"layer": rt.LIF(N), "x": X, "state": None, "every": 2}),
    "from_snntorch": (rt.from_snntorch, {"leaky": LEAKY, "dt": 1.0}),
    "from_norse": (rt.from_norse, {"cell": NORSE}),
    "from_nir": (rt.from_nir, {"graph": GRAPH, "dt": 1.0, "time_unit": "s", "euler": False, "reset_by": "value", "dtype": None}),
    "to_nir": (rt.to_nir, {"net": rt.LIF(N), "shape": (N,), "time_unit": "s"}),
    "EngineNetwork": (
        rt.EngineNetwork,
        {"network": DRIVEN, "output": "cells", "variable": "V", "dt": 0.1, "integrator": None, "seed": 0, "surrogate": None},
    ),
    "LIF.from_neuron": (rt.LIF.from_neuron, {"model": rv.neurons.LeakyIntegrateAndFire(), "dt": 0.1}),
    "watch_firing": (rt.watch_firing, {"net": rt.LIF(N)}),
    "LIF.from_lif_project": (
        rt.LIF.from_lif_project,
        {"num_neurons": N, "V_th": 1.0, "V_reset": 0.0, "tau": 20.0, "dt": 1.0, "eta": 0.1, "use_adaptive_threshold": True,
         "noise_std": 0.1, "stochastic": True, "min_threshold": 0.5, "max_threshold": 2.0},
    ),
    "AdaptiveLIF.from_neuron": (rt.AdaptiveLIF.from_neuron, {"model": rv.neurons.AdaptiveThresholdIntegrateAndFire(), "dt": 0.1}),
    "AdEx.from_neuron": (rt.AdEx.from_neuron, {"model": rv.neurons.AdaptiveExponentialIntegrateAndFire(), "dt": 0.1}),
    "Izhikevich.from_neuron": (rt.Izhikevich.from_neuron, {"model": rv.neurons.Izhikevich2003(), "dt": 1.0}),
    "encode.rate": (rt.encode.rate, {"values": X, "steps": 3, "generator": None}),
    "encode.latency": (rt.encode.latency, {"values": X, "steps": 3, "tau": None, "threshold": 0.1}),
    "encode.delta": (rt.encode.delta, {"signal": X, "threshold": 0.1}),
    "encode.population": (rt.encode.population, {"values": X, "neurons": 3, "low": 0.0, "high": 1.0, "width": 1.0}),
    "decode.count": (rt.decode.count, {"spikes": X}),
    "decode.first_spike": (rt.decode.first_spike, {"spikes": X}),
    "decode.membrane": (rt.decode.membrane, {"v": X, "over_time": "last"}),
    "plot.membrane": (rt.plot.membrane, {"v": V[:, 0], "spikes": SPIKES[:, 0], "threshold": 1.0, "dt": 1.0, "ax": None}),
    "plot.relu_membrane": (
        rt.plot.relu_membrane,
        {"rectified": V[:, 0], "v": V[:, 0], "spikes": SPIKES[:, 0], "threshold": 1.0, "dt": 1.0, "ax": None},
    ),
    "plot.membranes": (rt.plot.membranes, {"v": V, "spikes": SPIKES, "inputs": None, "dt": 1.0, "ax": None}),
    "plot.raster": (rt.plot.raster, {"spikes": SPIKES, "dt": 1.0, "ax": None}),
    "plot.scaling": (
        rt.plot.scaling,
        {"sizes": [1, 10], "values": [1.0, 9.0], "label": "time", "fit_from": 0.0, "color": None, "ax": None},
    ),
    "plot.slope": (rt.plot.slope, {"sizes": [1, 10], "values": [1.0, 9.0], "fit_from": 0.0}),
}  # fmt: skip
CALLS |= {
    f"{name} called": (lambda name=name, **given: CALLS[name][0](**usual(name))(**given), {"x": X, "state": None})
    for name in ("LIF", "AdaptiveLIF", "CurrentLIF", "LeakyReadout", "CurrentReadout", "Delay", "Izhikevich", "AdEx",
                 "Bernoulli", "AutoregressiveBernoulli",
                 "ShortTermPlasticity", "Delays", "Recurrent", "Sequential", "WithFeedback")
}  # fmt: skip
STATES = {name for name in dir(rt) if name.endswith("State")}
BASES = {"Mechanism", "SpikingLayer", "Surrogate", "FiringWarning"}
OF_THE_ENGINE = {"TensorCurrent"}


def usual(name):
    """The arguments of a call that works."""
    given = {key: value() if value in (DRIVEN, GRAPH) else value for key, value in CALLS[name][1].items()}
    return {key: value for key, value in given.items() if value is not None or name not in ("Izhikevich", "AdEx")}


def public():
    """The names of all classes and functions."""
    ours = lambda module: {name: thing for name, thing in vars(module).items() if not name.startswith("_")}
    found = {name for name, thing in ours(rt).items() if isinstance(thing, type | types.FunctionType)}
    for module in ("encode", "decode", "plot"):
        there = ours(getattr(rt, module))
        found |= {
            f"{module}.{n}" for n, f in there.items() if isinstance(f, types.FunctionType) and f.__module__ == f"ranvier.torch.{module}"
        }
    constructors = {f"{n}.from_neuron" for n in found if hasattr(getattr(rt, n, None), "from_neuron")}
    return (found | constructors) - STATES - BASES - OF_THE_ENGINE


def test_every_public_name_and_every_argument_is_among_them():
    assert public() - {"CurrentLIF.from_neuron"} <= set(CALLS)
    for name in public() & set(CALLS):
        thing = getattr(rt, name) if "." not in name else None
        if thing is None or name in ("Sequential", "WithFeedback"):
            continue
        named = {n for n, p in inspect.signature(thing).parameters.items() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
        assert named <= set(CALLS[name][1]), name


def numbers_of(result):
    if isinstance(result, torch.Tensor):
        return [result]
    if isinstance(result, list | tuple):
        return [number for part in result for number in numbers_of(part)]
    return []


def used(name, made):
    """What comes of something that was made: numbers."""
    if isinstance(made, rt.AdaptationCurrent | rt.SynapticEfficiency | rt.DynamicSlope | rt.Neuromodulation):
        made = rt.WithFeedback(rt.LIF(N, dt=made.dt or 1.0, firing=rt.SigmoidFiring(1.0)), made)
    if isinstance(made, rt.SigmoidFiring):
        made = rt.LIF(N, firing=made)
    if isinstance(made, rt.Surrogate):
        made = rt.LIF(N, surrogate=made)
    if isinstance(made, nn.Module):
        size = getattr(made, "size", ())
        shape = (3, *size) if size and math.prod(size) < 100 else (3, N)
        device = "meta" if any(t.is_meta for t in [*made.parameters(), *made.buffers()]) else "cpu"
        x = torch.rand(4, *shape, device=device, dtype=torch.float32).requires_grad_()
        y, state = made(x)
        (y.sum() + sum(leaf.sum() for _, leaf in leaves(state) if leaf.is_floating_point())).backward()
        return [y, x.grad]
    return numbers_of(made)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CALLS)
def test_a_wrong_value_is_refused_by_name_or_gives_numbers(name):
    import matplotlib.pyplot as plt

    call, arguments = CALLS[name]
    problems = []
    if name == "from_nir":
        pytest.importorskip("nir")
    for argument in arguments:
        for label, wrong in WRONG.items():
            if name == "Delays" and argument == "outputs" and label == "2**31":
                continue  # refused as well, by the memory it would take
            if name == "Fused" and label == "layer":
                continue  # which is right
            if name == "map_state" and (label in ("layer", "module") or "tensor" in label):
                continue  # what such a function makes of a state, or any of such a tensor, is its own affair
            case = f"{name}({argument}={label})"
            given = {**usual(name), argument: wrong}
            try:
                made = call(**given)
            except RanvierError as error:
                named = argument in str(error) or (argument in ("layer", "net") and "x has the shape" in str(error))
                problems += [] if named else [f"{case}: the argument is not named in: {error}"]
                continue
            except Exception as error:
                problems.append(f"{case}: {type(error).__name__}: {error}"[:300])
                continue
            problems += [f"{case} is accepted"] if label in NEVER else []
            try:
                results = used(name, made)
            except RanvierError:  # by the input that does not fit what was made
                continue
            except Exception as error:
                problems.append(f"{case}: used, {type(error).__name__}: {error}"[:300])
                continue
            if "NaN" not in label and not all(torch.isfinite(r).all() for r in results if not (r.is_meta or r.is_sparse)):
                problems.append(f"{case} gives what is not a number")
    plt.close("all")
    assert not problems, "\n".join(problems)


def test_an_unknown_argument_is_named_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"Unknown argument of LIF 'taus'. Did you mean 'tau'"):
        rt.LIF(taus=5.0)
    with pytest.raises(UnknownNameError, match="Did you mean 'threshold_jump'"):
        rt.AdaptiveLIF(threshold_jmp=5.0)
    with pytest.raises(UnknownNameError, match="Did you mean 'time_unit'"):
        rt.from_nir(None, dt=1.0, timeunit="s")
