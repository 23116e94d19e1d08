"""Runtime and peak memory of spiking neurons against their number, 10 … 10⁶, with the fitted slope.

100 steps of a layer of LIF neurons in single precision on one thread, without and with noise
and an adaptive threshold: seconds, the two in turns, and what a run adds to the memory of a process
at its peak, its input included (Linux). Slopes are fitted from 10⁴ neurons on, where fixed costs
no longer show; less memory than a few pages does not show. Draws results/spiking_scaling.png.

    taskset -c 0 python benchmarks/spiking_scaling.py
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import torch
from harness import RESULTS, arguments, save, take_turns

import ranvier.torch as rt

STEPS = 100
FIT_FROM = 10_000
LAYERS = {
    "LIF": lambda: rt.LIF(),
    "LIF, noise and adaptive threshold": lambda: rt.AdaptiveLIF(noise=0.1, threshold_jump=0.1, generator=torch.Generator().manual_seed(0)),
}


def run(layer: rt.LIF, n: int) -> dict:
    with torch.no_grad():
        spikes, _ = layer(torch.linspace(0.9, 1.5, n).expand(STEPS, n).contiguous())
    return {"spikes_a_neuron_step": spikes.mean().item()}


def resident(which: str) -> float:
    """This process's memory now (`VmRSS`) or at its peak (`VmHWM`), in MiB."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(which))
    return int(line.split()[1]) / 2**10


def memory_of(layer: rt.LIF, n: int) -> float:
    """What the run adds to this process's memory at its peak (MiB)."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = resident("VmRSS")
    run(layer, n)
    return resident("VmHWM") - before


def memory_in_a_fresh_process(name: str, sizes: list[int]) -> dict:
    """Peak memory by size. Freed blocks go back to the system at once, so that none is used again unseen."""
    call = [sys.executable, __file__, "--memory", name, *map(str, sizes)]
    ran = subprocess.run(call, check=True, capture_output=True, text=True, env={**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"})
    return dict(zip(sizes, json.loads(ran.stdout), strict=True))


def main() -> None:
    options = arguments(__doc__)
    torch.set_num_threads(1)
    sizes = [10**k for k in range(1, 6 if options.quick else 7)]
    layers = {name: make() for name, make in LAYERS.items()}
    seconds = {}
    for n in sizes:
        for layer in layers.values():
            run(layer, n)
        seconds[n] = take_turns({name: lambda layer=layer, n=n: run(layer, n) for name, layer in layers.items()}, options.rounds)
    found = {
        name: {
            "seconds": {n: seconds[n][name] for n in sizes},
            "peak_memory_mebibytes": memory_in_a_fresh_process(name, sizes),
            **run(layer, sizes[-1]),
        }
        for name, layer in layers.items()
    }
    smallest = 1000 if options.quick else FIT_FROM
    for costs in found.values():
        costs["slope_of_seconds"] = rt.plot.slope(sizes, [costs["seconds"][n]["median"] for n in sizes], smallest)
        costs["slope_of_memory"] = rt.plot.slope(sizes, list(costs["peak_memory_mebibytes"].values()), smallest)
    if not options.quick:
        draw(sizes, found)
    save(__file__, options, {"steps": STEPS, "fitted_from": smallest, **found})


def draw(sizes: list[int], found: dict) -> None:
    from ranvier.plot import style
    from ranvier.plot.appearance import loose_figure

    figure = loose_figure(9, 3.4)
    with style():
        time, memory = figure.subplots(1, 2)
        for name, costs in found.items():
            rt.plot.scaling(sizes, [costs["seconds"][n]["median"] for n in sizes], label=name, fit_from=FIT_FROM, ax=time)
            rt.plot.scaling(sizes, list(costs["peak_memory_mebibytes"].values()), label=name, fit_from=FIT_FROM, ax=memory)
        time.set(ylabel=f"seconds ({STEPS} steps)", title="Runtime")
        memory.set(ylabel="peak memory (MiB)", title="Memory")
    figure.savefig(RESULTS / "spiking_scaling.png")


if __name__ == "__main__":
    if "--memory" in sys.argv:
        torch.set_num_threads(1)
        layer = LAYERS[sys.argv[2]]()
        run(layer, 2)
        print([memory_of(layer, int(n)) for n in sys.argv[3:]])
    else:
        main()
