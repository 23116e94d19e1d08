"""One layer of leaky integrate-and-fire neurons over a sequence, forward and forward + backward, beside snnTorch, Norse, SpikingJelly.

The same neurons (what is left after a step 0.9, threshold 1, reset to 0, arc-tangent
surrogate where there is one), the same input, single precision; the sides take
turns, call by call, and quoted are ratios of medians. A copy of the input is the
limit: into memory that is there, and into new memory, as a layer returns. Peak
memory is that of a process of its own which does one training step, beyond the
input and the incoming gradient.

`benchmarks/peers/setup_spiking.sh` makes the environment.

    PYTHONPATH=src benchmarks/peers/.venv-spiking/bin/python benchmarks/spiking_layers.py --rounds 5
"""

import argparse
import functools
import importlib.metadata
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from harness import save, take_turns
from torch import Tensor

BATCH = 64
DECAY = 0.9
SIZES = ((100, 1024), (500, 1024), (100, 16384), (500, 16384))
NEEDED = 14
"""Tensors of the size of the input that the hungriest contender has at once while it trains; forward it has three."""

Layer = Callable[[Tensor], Tensor]


def ranvier_fused() -> Layer:
    return _ranvier("fused")


def ranvier_reference() -> Layer:
    return _ranvier("reference")


def _ranvier(backend: str) -> Layer:
    import ranvier.torch as rt

    layer = rt.LIF(tau=-1 / math.log(DECAY), dt=1.0, input="impulse", surrogate=rt.ArcTangent(2.0), backend=backend)
    return lambda x: layer(x)[0]


def ranvier_compiled() -> Layer:
    """The reference's step, compiled, in a loop: a whole sequence unrolled takes minutes to compile."""
    import ranvier.torch as rt

    surrogate = rt.ArcTangent(2.0)
    step = torch.compile(lambda x, v: rt.lif_step(x, rt.LIFState(v), decay=DECAY, gain=1.0, surrogate=surrogate))

    def run(x: Tensor) -> Tensor:
        state, spikes = rt.LIFState(torch.zeros_like(x[0])), []
        for of_step in x:
            out, state = step(of_step, state.v)
            spikes.append(out)
        return torch.stack(spikes)

    return run


def snntorch() -> Layer:
    import snntorch as snn

    layer = snn.Leaky(beta=DECAY, reset_mechanism="zero", reset_delay=False, spike_grad=snn.surrogate.atan(alpha=2.0))

    def run(x: Tensor) -> Tensor:
        v, spikes = layer.reset_mem(), []
        for of_step in x:
            out, v = layer(of_step, v)
            spikes.append(out)
        return torch.stack(spikes)

    return run


def norse() -> Layer:
    """Its neuron without synaptic current. Its input is a current: ten times the jump of the potential."""
    import norse.torch as nt

    p = nt.LIFBoxParameters(tau_mem_inv=torch.tensor((1 - DECAY) / 1e-3))
    cell = nt.LIFBoxCell(p=p)

    def run(x: Tensor) -> Tensor:
        state, spikes = None, []
        for of_step in x:
            out, state = cell(of_step * (1 / (1 - DECAY)), state)
            spikes.append(out)
        return torch.stack(spikes)

    return run


def spikingjelly() -> Layer:
    from spikingjelly.activation_based import functional, neuron, surrogate

    layer = neuron.LIFNode(tau=1 / (1 - DECAY), decay_input=False, v_reset=0.0, surrogate_function=surrogate.ATan(2.0), step_mode="m")

    def run(x: Tensor) -> Tensor:
        functional.reset_net(layer)
        return layer(x)

    return run


CONTENDERS = {f.__name__: f for f in (ranvier_fused, ranvier_reference, ranvier_compiled, snntorch, norse, spikingjelly)}
PEERS = ("snntorch", "norse", "spikingjelly")


def forward(layer: Layer, x: Tensor) -> Callable[[], None]:
    def call() -> None:
        with torch.no_grad():
            layer(x)

    return call


def training(layer: Layer, x: Tensor, gradient: Tensor) -> Callable[[], None]:
    def call() -> None:
        x.grad = None
        layer(x).backward(gradient)

    return call


def problem(steps: int, neurons: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.empty(steps, BATCH, neurons).normal_(0.1, 0.25, generator=generator)
    return x, torch.empty_like(x).normal_(generator=generator)


def peak(name: str, steps: int, neurons: int) -> None:
    """Prints how many bytes one training step takes at its peak, in this process."""
    x, gradient = problem(steps, neurons)
    layer = CONTENDERS[name]()
    small = torch.zeros(3, BATCH, neurons).requires_grad_()
    layer(small).backward(torch.ones_like(small))
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again; getrusage's would go on from the parent process
    before = _resident("VmRSS")
    training(layer, x.requires_grad_(), gradient)()
    print(_resident("VmHWM") - before)


def _resident(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(field))


def peak_of(name: str, steps: int, neurons: int) -> int:
    command = [sys.executable, __file__, "--peak", name, str(steps), str(neurons)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def available() -> int:
    """Bytes of memory that are free now."""
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def measure(steps: int, neurons: int, threads: int, layers: dict[str, Layer], rounds: int) -> dict:
    torch.set_num_threads(threads)
    size = steps * BATCH * neurons * 4
    if available() < 5 * size:
        return {"skipped": "not enough memory"}
    x, gradient = problem(steps, neurons)
    target = torch.empty_like(x)
    with torch.no_grad():
        ours = layers["ranvier_fused"](x)
        agreement = {name: (layer(x) == ours).float().mean().item() for name, layer in layers.items()}
    limits = {"copy": functools.partial(target.copy_, x), "copy to new memory": x.clone}
    seconds = {"forward": take_turns({**limits, **{name: forward(layer, x) for name, layer in layers.items()}}, rounds)}
    del target, limits
    if available() > (NEEDED - 2) * size:
        x.requires_grad_()
        calls = {name: training(layer, x, gradient) for name, layer in layers.items()}
        for call in calls.values():
            call()
        seconds["forward + backward"] = take_turns(calls, rounds)
    return {"firing_rate_a_step": ours.mean().item(), "same_spikes": agreement, "seconds": seconds, "ratios": ratios(seconds)}


def ratios(seconds: dict) -> dict:
    """How many times faster than each the fused layer is, and than the best peer; how many times the copy it takes."""
    found = {}
    for direction, of in seconds.items():
        ours = of["ranvier_fused"]["median"]
        found[direction] = {name: round(t["median"] / ours, 2) for name, t in of.items()}
        found[direction]["best peer"] = min(found[direction][name] for name in PEERS)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often each contender runs (default 5)")
    parser.add_argument("--machine", default=None, help="a name for the machine, kept with the numbers")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it works")
    parser.add_argument("--sizes", type=int, default=3, help="how many of the sizes, smallest first: the fourth takes 2 GB a tensor")
    parser.add_argument("--peak", nargs=3, metavar=("NAME", "STEPS", "NEURONS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        return peak(options.peak[0], *map(int, options.peak[1:]))
    sizes = ((20, 64),) if options.quick else SIZES[: options.sizes]
    layers = {name: make() for name, make in CONTENDERS.items()}
    cases, load = {}, os.getloadavg()[0]
    for steps, neurons in sizes:
        for threads in (1, 2):
            key = f"T = {steps}, B = {BATCH}, N = {neurons}, threads = {threads}"
            cases[key] = measure(steps, neurons, threads, layers, options.rounds)
            print(key, json.dumps(cases[key].get("ratios", cases[key])), flush=True)
    steps, neurons = sizes[0]
    input_bytes = steps * BATCH * neurons * 4
    memory = {name: peak_of(name, steps, neurons) for name in CONTENDERS}
    result = {
        "question": __doc__.splitlines()[0],
        "peers": {name: importlib.metadata.version(name) for name in ("torch", *PEERS)},
        "load_at_start": load,
        "load_at_end": os.getloadavg()[0],
        "cases": cases,
        "peak_memory_of_training": {
            "case": f"T = {steps}, B = {BATCH}, N = {neurons}",
            "input_bytes": input_bytes,
            "in_inputs": {name: round(peak / input_bytes, 2) for name, peak in memory.items()},
        },
    }
    save(__file__, options, result)


if __name__ == "__main__":
    main()
