"""One layer of leaky integrate-and-fire neurons over a sequence, forward and forward + backward, beside snnTorch, Norse, SpikingJelly.

The same neurons (what is left after a step 0.9, threshold 1, reset to 0, arc-tangent
surrogate where there is one), the same input, single precision; the sides take
turns, call by call, and quoted are ratios of medians: of processor time on one
thread, of time on two. A copy of the input is the limit: into memory that is
there, and into new memory, as a layer returns. Forward, a layer reads its input
and writes its spikes: one copy. Training, it reads both the input and the
incoming gradient once more and writes a gradient: two and a half. Peak memory is
that of a process of its own which does one training step, beyond the input and
the incoming gradient; a contender that does not fit into the memory that is free
is left out, by name. The digits are learnt by the same network with the layers
of those whose surrogate is the same, from the same seed.

The allocator keeps memory that is freed, for all of them, as an allocator of the
kind that PyTorch's tuning guide recommends does: otherwise new pages, which the
system clears first, would be most of what is measured.

`benchmarks/peers/setup_spiking.sh` makes the environment.

    PYTHONPATH=src benchmarks/peers/.venv-spiking/bin/python benchmarks/spiking_layers.py --rounds 5
"""

import argparse
import ctypes
import functools
import importlib.metadata
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from harness import RESULTS, machine, save
from torch import Tensor, nn

BATCH = 64
DECAY = 0.9
SIZES = ((100, 1024), (500, 1024), (100, 16384), (500, 16384))
COPIES = {"forward": 1.0, "forward + backward": 2.5}
"""How many copies of the input a layer moves at least."""
SLOW = ("ranvier_reference",)
"""Measured at the first size alone, on one thread."""
KEEPS_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40)}
"""What tells the C library's allocator, when a process starts, to give nothing back."""
EPOCHS = 10

Layer = Callable[[Tensor], Tensor]


def ranvier_fused() -> Layer:
    return _ranvier(backend="fused")


def ranvier_reference() -> Layer:
    return _ranvier(backend="reference")


def _ranvier(**options: object) -> Layer:
    import ranvier.torch as rt

    layer = rt.LIF(tau=-1 / math.log(DECAY), dt=1.0, input="impulse", surrogate=rt.ArcTangent(2.0), **options)
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
    environment = {name: value for name, value in os.environ.items() if name not in KEEPS_MEMORY}
    return int(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.split()[-1])


def available() -> int:
    """Bytes of memory that are free now."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))


def take_turns(contenders: dict[str, Callable[[], object]], rounds: int) -> dict:
    """Calls each contender twice, until each has its memory, then once a round, in turn: medians of seconds and of processor seconds."""
    taken = {name: ([], []) for name in contenders}
    for round_number in range(-2, rounds):
        for name, call in contenders.items():
            began, began_here = time.perf_counter(), time.process_time()
            call()
            took = time.perf_counter() - began, time.process_time() - began_here
            for seconds, more in zip(taken[name], took if round_number >= 0 else (), strict=False):
                seconds.append(more)
    described = lambda seconds: {"median": statistics.median(seconds), "min": min(seconds), "max": max(seconds)}
    return {name: {**described(seconds), "processor": described(here)} for name, (seconds, here) in taken.items()}


def on_cores(threads: int) -> None:
    """PyTorch's threads, and on one the last core: the first is where other work goes."""
    torch.set_num_threads(threads)
    cores = os.cpu_count() or 1
    os.sched_setaffinity(0, {cores - 1} if threads == 1 else range(cores))


def measure(steps: int, neurons: int, threads: int, layers: dict[str, Layer], peaks: dict[str, float], rounds: int) -> dict:
    """One case. `peaks`: the memory that training takes, in inputs."""
    on_cores(threads)
    ctypes.CDLL(None).malloc_trim(0)  # what the last case has kept
    size, load = steps * BATCH * neurons * 4, os.getloadavg()[0]
    free = available() / size
    trained = {name: layer for name, layer in layers.items() if peaks[name] + 2.5 < free}  # the input and the incoming gradient too
    layers = {name: layer for name, layer in layers.items() if name in trained or (name.startswith("ranvier_fused") and free > 3.5)}
    if not layers:
        return {"skipped": f"free memory is {free:.1f} inputs"}
    x, gradient = problem(steps, neurons)
    with torch.no_grad():
        ours = layers["ranvier_fused"](x)
        agreement = {name: (layer(x) == ours).float().mean().item() for name, layer in layers.items()}
    rate = ours.mean().item()
    target = ours
    limits = {"copy": functools.partial(target.copy_, x), "copy to new memory": x.clone}
    seconds = {"forward": take_turns({**limits, **{name: forward(layer, x) for name, layer in layers.items()}}, rounds)}
    del target, ours, limits
    x.requires_grad_()
    if trained:
        seconds["forward + backward"] = take_turns({name: training(layer, x, gradient) for name, layer in trained.items()}, rounds)
    left_out = {name: f"training needs {peaks[name] + 2:.1f} inputs, free are {free:.1f}" for name in peaks if name not in trained}
    clock = "processor" if threads == 1 else "wall"
    return {
        "machine": machine(),
        "load": [load, os.getloadavg()[0]],
        "firing_rate_a_step": rate,
        "same_spikes": agreement,
        "left_out": {n: why for n, why in left_out.items() if n not in SLOW},
        "seconds": seconds,
        "ratios": {"of": f"{clock} time", **ratios(seconds, clock)},
    }


def ratios(seconds: dict, clock: str) -> dict:
    """How many times faster than each the fused layer is, and than the best peer; how many times its limit it takes."""
    median = lambda times: times["processor"]["median"] if clock == "processor" else times["median"]
    limit = median(seconds["forward"]["copy"])
    found = {}
    for direction, of in seconds.items():
        ours = median(of["ranvier_fused"])
        found[direction] = {name: round(median(times) / ours, 2) for name, times in of.items()}
        peers = [found[direction][name] for name in PEERS if name in of]
        found[direction]["best peer"] = min(peers) if peers else None
        found[direction]["times the limit"] = round(ours / (COPIES[direction] * limit), 2)
    return found


class Reader(nn.Module):
    """The digits' pixels through a layer of 100 spiking neurons to ten scores."""

    def __init__(self, layer: Layer):
        super().__init__()
        self.layer, self.first, self.last = layer, nn.Linear(64, 100), nn.Linear(100, 10)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        spikes = self.layer(self.first(images).expand(16, -1, -1))
        return self.last(spikes).mean(dim=0), spikes


def learning(seed: int = 0) -> dict[str, list[float]]:
    """The share of the test digits that is read right, epoch by epoch."""
    from ranvier.torch.examples.digits import load
    from ranvier.torch.examples.training import train

    on_cores(1)
    contenders = {
        "ranvier_fused": ranvier_fused,
        "ranvier_reference": ranvier_reference,
        "spikingjelly": spikingjelly,
        "snntorch": snntorch,
    }
    found = {}
    for name, make in contenders.items():
        torch.manual_seed(seed)
        history = train(Reader(make()), load(seed), epochs=EPOCHS, seed=seed)
        found[name] = [round(right, 4) for right in history.accuracies]
    return found


def small_calls(rounds: int, calls: int = 20) -> dict:
    """Microseconds of processor time of one call of a small layer (T 16, batch 10, 50 neurons), forward and forward + backward: the
    layer beside its own steps one by one, and beside a ReLU, which shows what PyTorch itself takes. Calls come in blocks, in turns."""
    import ranvier.torch as rt

    on_cores(1)
    x = torch.rand(16, 10, 50, generator=torch.Generator().manual_seed(1))
    gradient, leaf = torch.ones_like(x), x.clone().requires_grad_()
    layers = {
        "LIF": rt.LIF(50),
        "LIF, two parameters learnt": rt.LIF(50, learn=("tau", "threshold")),
        "AdaptiveLIF": rt.AdaptiveLIF(50),
        "CurrentLIF": rt.CurrentLIF(50),
        "Izhikevich": rt.Izhikevich(50),
        "AdEx": rt.AdEx(50),
        "LeakyReadout": rt.LeakyReadout(50),
        "Recurrent": rt.Recurrent(rt.LIF(50), nn.Linear(50, 50)),
    }
    by_steps = lambda layer: lambda x: layer.step_by_step(x, layer.initial_state(x[0]))
    ways = {"ReLU": lambda x: (torch.relu(x),), **layers, **{f"{name}, step by step": by_steps(layer) for name, layer in layers.items()}}
    found: dict[str, dict[str, list[float]]] = {name: {direction: [] for direction in COPIES} for name in ways}
    for _ in range(rounds):
        for name, layer in ways.items():
            whole = {"forward": forward(layer, x), "forward + backward": training(lambda x, layer=layer: layer(x)[0], leaf, gradient)}
            for direction, call in whole.items():
                call()
                began = time.process_time()
                for _ in range(calls):
                    call()
                found[name][direction].append((time.process_time() - began) / calls * 1e6)
    return {name: {d: round(statistics.median(times), 1) for d, times in of.items()} for name, of in found.items()}


def start(steps: int, neurons: int) -> dict:
    """What is measured once: memory, at one size, and learning."""
    size = steps * BATCH * neurons * 4
    return {
        "question": __doc__.splitlines()[0],
        "peers": {name: importlib.metadata.version(name) for name in ("torch", *PEERS)},
        "cases": {},
        "peak_memory_of_training": {
            "case": f"T = {steps}, B = {BATCH}, N = {neurons}",
            "input_bytes": size,
            "in_inputs": {name: round(peak_of(name, steps, neurons) / size, 2) for name in CONTENDERS},
        },
        "accuracy_on_digits_by_epoch": learning(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often each contender runs (default 5)")
    parser.add_argument("--machine", default=None, help="a name for the machine, kept with the numbers")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it works")
    parser.add_argument("--sizes", type=int, nargs="+", default=[0, 1, 2, 3], help="which sizes, by number: the last takes 2 GB a tensor")
    parser.add_argument("--again", action="store_true", help="replaces only these cases in the results that are kept")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="how many threads, one after the other (default 1 2)")
    parser.add_argument("--small", action="store_true", help="only what one call of a small layer costs; replaces that in the results")
    parser.add_argument("--peak", nargs=3, metavar=("NAME", "STEPS", "NEURONS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        return peak(options.peak[0], *map(int, options.peak[1:]))
    if not KEEPS_MEMORY.items() <= os.environ.items():
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **KEEPS_MEMORY})
    if options.small:
        load = os.getloadavg()[0]
        small = {"load": [load, os.getloadavg()[0]], "microseconds": small_calls(options.rounds)}
        before = json.loads((RESULTS / f"{Path(__file__).stem}.json").read_text())
        return save(__file__, options, {**before, "small_calls": {**small, "machine": machine()}, "machine": before["machine"]})
    sizes = [(20, 64)] if options.quick else [SIZES[number] for number in options.sizes]
    layers = {name: make() for name, make in CONTENDERS.items()}
    kept = RESULTS / f"{Path(__file__).stem}.json"
    result = json.loads(kept.read_text()) if options.again else start(*sizes[0])
    peaks = result["peak_memory_of_training"]["in_inputs"]
    for threads in options.threads:
        for steps, neurons in sizes:
            short = steps * neurons <= SIZES[0][0] * SIZES[0][1] and threads == 1
            these = {name: layer for name, layer in layers.items() if short or name not in SLOW}
            key = f"T = {steps}, B = {BATCH}, N = {neurons}, threads = {threads}"
            result["cases"][key] = measure(steps, neurons, threads, these, peaks, options.rounds)
            save(__file__, options, result)  # after each case, for the last ones take long


if __name__ == "__main__":
    main()
