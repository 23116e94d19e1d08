"""What a neuron-step and a synaptic event cost, from a thousand to a million neurons, and what the memory could give.

Integrate-and-fire neurons with exponential currents, exact integration, single
precision, 100 inputs a neuron and a delay of 1.5 ms, driven to fire regularly
at about 10 Hz each, out of step with each other. The same network without
edges has the cost of a neuron and step; the difference is that of the events.
Beside them the time of copying as many bytes as a step must move.

    taskset -c 0 python benchmarks/event_scaling.py
"""

import numpy as np
from harness import arguments, save, take_turns

import ranvier as rv

IN_DEGREE = 100
BYTES_A_NEURON = 2 * (4 + 4) + 4  # potential and current read and written, the last spike read


def network(n: int, in_degree: int) -> rv.Network:
    # Period: refractory 2 ms + 20 ms · ln(30/(30 − 15·…)): the current sets about 10 Hz, its spread takes them out of step.
    cell = rv.neurons.LeakyIntegrateAndFire(capacitance=200.0, leak=10.0, rest=-65.0, threshold=-50.0, reset=-65.0, refractory=2.0)
    cells = rv.Population(
        n, cell, initial={"V": rv.uniform(-65.0, -50.0)}, current=rv.uniform(150.8, 151.2).draw(rv.random.Key(1), n), name="cells"
    )
    if not in_degree:
        return rv.Network(cells)
    synapse = rv.synapses.ExponentialCurrent(tau=2.0)
    return rv.Network(cells, rv.Projection(cells, cells, synapse, rv.connect.fixed_in_degree(in_degree), weight=1e-6, delay=1.5))


def seconds(net: rv.Network, steps: int) -> tuple[float, float]:
    """Seconds of steps, and spikes a step."""
    run = rv.simulate(net, duration=steps * 0.1, dt=0.1, precision="single", record=[])
    return run.info["run_seconds"], len(run.spikes) / steps


def copying(n: int, rounds: int) -> float:
    """Seconds to copy what a step of `n` neurons must at least move."""
    source = np.ones(n * BYTES_A_NEURON // 2 // 4, np.float32)
    target = np.empty_like(source)
    return take_turns({"copy": lambda: np.copyto(target, source)}, 20 * rounds)["copy"]["median"]


def main() -> None:
    options = arguments(__doc__)
    found = {}
    for n in (1000, 10_000) if options.quick else (1000, 10_000, 100_000, 1_000_000):
        steps = max(100, min(20_000, 50_000_000 // n))
        alone, wired = network(n, 0), network(n, IN_DEGREE)
        spikes = [seconds(net, steps)[1] for net in (alone, wired)][1]  # compiles, too
        turns = take_turns(
            {"alone": lambda a=alone, s=steps: seconds(a, s)[0], "wired": lambda w=wired, s=steps: seconds(w, s)[0]}, options.rounds
        )
        alone_s, wired_s = (turns[name]["median"] / steps for name in ("alone", "wired"))
        found[n] = {
            "microseconds_a_step": wired_s * 1e6,
            "rate_hz": spikes / n / 0.1e-3,
            "nanoseconds_a_neuron_step": alone_s / n * 1e9,
            "events_a_step": spikes * IN_DEGREE,
            "nanoseconds_an_event_and_its_synapse": (wired_s - alone_s) / (spikes * IN_DEGREE) * 1e9,
            "nanoseconds_of_copying_a_neuron": copying(n, options.rounds) / n * 1e9,
        }
    save(__file__, options, {"in_degree": IN_DEGREE, "neurons": found})


if __name__ == "__main__":
    main()
