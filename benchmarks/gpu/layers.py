"""A layer of leaky integrate-and-fire neurons on a GPU, forward and forward + backward, beside snnTorch, SpikingJelly and plain copies.

The contenders, sizes and limits are those of `benchmarks/spiking_layers.py`; time is the GPU's own, by its events, the sides taking
turns, medians. Peers that are missing are left out.

    python benchmarks/gpu/layers.py --rounds 7
"""

from __future__ import annotations

import json
import pathlib
import statistics
import sys
from collections.abc import Callable

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import spiking_layers as cpu
from harness import arguments, save

SIZES = ((16, 50), (100, 1024), (100, 16384), (500, 16384))


CONTENDERS = {
    "ranvier_fused": cpu.ranvier_fused,
    "ranvier_reference": cpu.ranvier_reference,
    "snntorch": cpu.snntorch,
    "spikingjelly": cpu.spikingjelly,
}
SLOW = {"ranvier_reference", "snntorch"}
"""Launch kernels for every step: a few calls are enough."""


def milliseconds(call: Callable[[], object], times: int) -> float:
    """Of one call, by the GPU's events around several."""
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    for _ in range(times):
        call()
    end.record()
    torch.cuda.synchronize()
    return float(begin.elapsed_time(end)) / times


def measured(steps: int, neurons: int, rounds: int) -> dict[str, object]:
    """Milliseconds of each contender, and of a copy of the input, at one size."""
    x, gradient = (t.cuda() for t in cpu.problem(steps, neurons))
    x.requires_grad_()
    calls: dict[str, dict[str, Callable[[], object]]] = {"forward": {}, "forward + backward": {}}
    into = torch.empty_like(gradient)
    calls["forward"]["copy"] = lambda: into.copy_(gradient)
    spikes, missing = {}, []
    for name, make in CONTENDERS.items():
        try:
            with torch.device("cuda"):
                layer = make()
            spikes[name] = float(layer(x).detach().mean())
        except ImportError as problem:
            missing.append(f"{name}: {type(problem).__name__}: {problem}"[:200])
            continue
        calls["forward"][name] = cpu.forward(layer, x)
        calls["forward + backward"][name] = cpu.training(layer, x, gradient)
    found: dict[str, object] = {"steps": steps, "batch": cpu.BATCH, "neurons": neurons, "spikes a step": spikes, "left out": missing}
    for what, of in calls.items():
        for call in of.values():
            call()
        taken: dict[str, list[float]] = {name: [] for name in of}
        for _ in range(rounds):
            for name, call in of.items():
                taken[name].append(milliseconds(call, 2 if name in SLOW else 20))
        found[what] = {name: round(statistics.median(times), 4) for name, times in taken.items()}
    return found


def main() -> None:
    options = arguments("LIF layers on a GPU")
    if not torch.cuda.is_available():
        sys.exit("There is no GPU here: nothing was measured.")
    rows = []
    for steps, neurons in SIZES[: 1 if options.quick else None]:
        rows.append(measured(steps, neurons, options.rounds))
        print(json.dumps(rows[-1]), flush=True)
        torch.cuda.empty_cache()
    save("gpu_layers", options, {"gpu": torch.cuda.get_device_name(), "torch": torch.__version__, "rows": rows})


if __name__ == "__main__":
    main()
