"""How long networks on many devices would take, on paper: a discrete-event estimate from constants that are named with their source.

    python benchmarks/exchange_estimate.py            prints the tables
    python benchmarks/exchange_estimate.py --write    puts them into docs/explanation/many_devices.md

One second of a network is gone through from exchange to exchange. In each stretch every device draws how many spikes there are and
how many of their edges end on it (Poisson), works for as long as its launches, neurons and events take, and waits for the slowest; then all
spikes are told to all. A spike's edges are drawn on every device apart; what neurons do to each other is left out, rates are given.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import pathlib
from collections.abc import Iterator

import numpy as np

HERE = pathlib.Path(__file__).resolve()
PAGE = HERE.parents[1] / "docs" / "explanation" / "many_devices.md"
RESULTS = HERE.parent / "results"
BEGIN, END = "<!-- of benchmarks/exchange_estimate.py -->", "<!-- end -->"
DT = 0.1  # ms
SEED = 1


@dataclasses.dataclass(frozen=True)
class Constant:
    """A number, its unit, and where it is from."""

    value: float
    unit: str
    source: str


def measured(file: str, *path: str) -> float:
    """A number that a benchmark kept."""
    found = json.loads((RESULTS / file).read_text())
    for name in path:
        found = found[name]
    return float(found)


def _stored() -> dict:
    return next(r for r in json.loads((RESULTS / "procedural.json").read_text())["runs"] if r["stored"])


GPU = {
    "launches": Constant(16, "a step", "counted in what XLA compiles for an H200: tests/network/test_launches.py, microcircuit"),
    "launch": Constant(
        1.0, "µs", "assumed; reported for a node of a CUDA graph: 0.6 (ahrefs/ocannl#488, empty kernels) to 0.9 (Julia, small ones)"
    ),
    "memory": Constant(4800, "bytes/ns", "H200 data sheet, NVIDIA: 4.8 TB/s"),
    "neuron": Constant(96, "bytes a step", "state and input, read and written, single precision, by count"),
    "event": Constant(72, "bytes", "8 of the edge, a 32-byte sector read and written of its target, by count"),
    "chain": Constant(3.0, "µs a step", "assumed: list, segment, edge, sum, one after the other, 0.7 µs each"),
}
NVLINK = {
    "base": Constant(3.6, "µs", "NCCL's own model of a ring's all-gather (src/graph/tuning.cc), low-latency protocol"),
    "hop": Constant(0.47, "µs a device", "the same, NVLink"),
    "bytes": Constant(370 / 3, "bytes/ns", "370 GB/s in each direction (NVIDIA/nccl#1442); a third by that protocol (tuning.cc)"),
}
INFINIBAND = {
    "base": Constant(3.6, "µs", "as on NVLink"),
    "hop": Constant(2.7, "µs a device", "the same file, network"),
    "bytes": Constant(
        47 / 4, "bytes/ns", "46 to 48 GB/s of an NDR adapter (NVIDIA/nccl-tests#290); a quarter by that protocol (tuning.cc)"
    ),
}
CORE = {
    "launches": Constant(0, "a step", "a CPU launches nothing"),
    "launch": Constant(0, "µs", "likewise"),
    "neuron_ns": Constant(
        measured("procedural.json", "processor seconds without synapses", "1000000") / 500 / 1e6 * 1e9,
        "ns a step",
        "benchmarks/results/procedural.json: 10⁶ neurons, 500 steps, single precision",
    ),
    "event_ns": Constant(_stored()["ns_per_event"], "ns", "benchmarks/results/procedural.json: stored edges"),
    "chain": Constant(0, "µs a step", "in the time of an event"),
}
SOCKETS = {
    "base": Constant(20, "µs", "assumed: what a message takes longer over Ethernet than within a machine"),
    "hop": Constant(
        measured("devices.json", "exchange_us", "processes"),
        "µs a process",
        "benchmarks/results/devices.json: who of 20 000 neurons on each of two spiked; a socket to each process",
    ),
    "bytes": Constant(1.25, "bytes/ns", "assumed: 10 Gb/s Ethernet"),
}


@dataclasses.dataclass(frozen=True)
class Work:
    """A network.

    Attributes:
        title: what it is.
        neurons, edges: how many.
        rate: at which each neuron fires (Hz).
        every: steps between two exchanges: the shortest delay.
    """

    title: str
    neurons: int
    edges: float
    rate: float
    every: int


MICROCIRCUIT = Work("microcircuit", 77_169, 298_880_970, measured("microcircuit.json", "rate_hz"), 1)
LARGE = Work("10⁶ neurons, 10¹⁰ synapses", 1_000_000, 1e10, 5.0, 15)

WAYS = ("bytes", "bits", "list")
"""How who spiked is told: a byte a neuron and step; a bit, as accelerators do; a list, eight bytes a spike, as CPUs do."""


def told(work: Work, devices: int, way: str) -> float:
    """Bytes that a device tells in one exchange."""
    flags = work.neurons / devices * work.every
    spikes = flags * work.rate * DT / 1000
    return {"bytes": flags, "bits": flags / 8, "list": 8 * spikes + 16}[way]


def exchange(link: dict[str, Constant], devices: int, own: float) -> float:
    """Microseconds of one all-gather in which each device tells `own` bytes."""
    if devices == 1:
        return 0.0
    return link["base"].value + (devices - 1) * (link["hop"].value + own / link["bytes"].value / 1000)


def stretch(device: dict[str, Constant], neurons: float, events: np.ndarray, steps: int) -> np.ndarray:
    """Microseconds of work of each device between two exchanges."""
    if "neuron_ns" in device:
        return (neurons * steps * device["neuron_ns"].value + events * device["event_ns"].value) / 1000
    fixed = steps * (device["launches"].value * device["launch"].value + device["chain"].value)
    return fixed + (steps * neurons * device["neuron"].value + events * device["event"].value) / device["memory"].value / 1000


def second(work: Work, device: dict[str, Constant], link: dict[str, Constant], devices: int, way: str) -> dict[str, float]:
    """One second of a network: what is worked, waited and told in it (seconds)."""
    draws = np.random.default_rng(SEED)
    edges_of_a_spike = work.edges / work.neurons / devices
    spikes_expected = work.neurons * work.rate * DT / 1000 * work.every
    clock = np.zeros(devices)
    worked = waited = telling = 0.0
    one = exchange(link, devices, told(work, devices, way))
    for _ in range(round(1000 / DT / work.every)):
        spikes = draws.poisson(spikes_expected)
        busy = stretch(device, work.neurons / devices, draws.poisson(spikes * edges_of_a_spike, devices), work.every)
        clock += busy
        last = clock.max()
        worked += busy.mean()
        waited += last - clock.mean()
        telling += one
        clock[:] = last + one
    return {
        "seconds": clock[0] / 1e6,
        "worked": worked / 1e6,
        "waited": waited / 1e6,
        "told": telling / 1e6,
        "told_bytes": told(work, devices, way) * (devices - 1) * (1000 / DT / work.every),
    }


def memory(work: Work, devices: int, stored: bool = True) -> str:
    """Memory of a device, as `rv.plan_memory` has it."""
    import ranvier as rv
    from ranvier.network.explain import _size

    if work is MICROCIRCUIT:
        net = rv.models.microcircuit()
    else:
        cells = rv.Population(work.neurons, rv.neurons.LeakyIntegrateAndFire(), current=300.0, name="cells")
        rule = rv.connect.fixed_out_degree(round(work.edges / work.neurons), by="source", stored=stored)
        synapse = rv.synapses.ExponentialCurrent(tau=5.0)
        net = rv.Network(cells, rv.Projection(cells, cells, synapse, rule, weight=rv.normal(1.0, 0.1), delay=work.every * DT))
    return _size(rv.plan_memory(net, devices=devices, dt=DT, precision="single", memory=141 * 10**9).device)


def row(first: str, devices: int, way: str, found: dict[str, float], taken: str) -> str:
    share, waiting = (100 * found[what] / found["seconds"] for what in ("told", "waited"))
    received = f"{found['told_bytes'] / 1e6:,.0f}"
    return f"| {first} | {devices} | {way} | {found['seconds']:.3g} | {share:.0f} % | {waiting:.1f} % | {received} | {taken} |"


def tables() -> Iterator[str]:
    """The page's tables, line by line."""
    head = (
        "| network | devices | told in | s a simulated second | of it exchange | of it waiting | MB received a device | memory a device |\n"
        "|---|---|---|---|---|---|---|---|"
    )
    yield "**GPUs (H200).** The microcircuit in one machine, over NVLink; the large network on 64 with one each, over InfiniBand.\n"
    yield head
    for devices in (1, 2, 4, 8):
        for way in WAYS if devices > 1 else ("",):
            found = second(MICROCIRCUIT, GPU, NVLINK, devices, way or "bytes")
            yield row(MICROCIRCUIT.title, devices, way or "nothing", found, memory(MICROCIRCUIT, devices))
    for way in WAYS:
        yield row(LARGE.title, 64, way, second(LARGE, GPU, INFINIBAND, 64, way), memory(LARGE, 64))
    yield "\n**CPUs, one core of the machine measured here each,** 64 of them, over 10 Gb/s Ethernet.\n"
    yield head
    for way in WAYS:
        yield row(LARGE.title, 64, way, second(LARGE, CORE, SOCKETS, 64, way), memory(LARGE, 64))
    yield f"\nWith edges that are not stored the large network takes {memory(LARGE, 64, stored=False)} a device.\n"
    yield "**What the estimate rests on.**\n"
    yield "| constant | value | source |"
    yield "|---|---|---|"
    for where, of in (("H200", GPU), ("NVLink", NVLINK), ("InfiniBand", INFINIBAND), ("core", CORE), ("Ethernet", SOCKETS)):
        for name, c in of.items():
            if c.value:
                yield f"| {where}: {name.removesuffix('_ns')} | {c.value:.3g} {c.unit} | {c.source} |"
    for work in (MICROCIRCUIT, LARGE):
        yield (
            f"| {work.title}: rate, exchange | {work.rate:.3g} Hz, every {work.every} step{'s' * (work.every > 1)} | "
            f"{'benchmarks/results/microcircuit.json; its shortest delay' if work is MICROCIRCUIT else 'assumed; a delay of 1.5 ms'} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="An estimate of networks on many devices")
    parser.add_argument("--write", action="store_true", help="put the tables into the documentation")
    text = "\n".join(tables())
    if parser.parse_args().write:
        page = PAGE.read_text(encoding="utf-8")
        before, _, rest = page.partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
