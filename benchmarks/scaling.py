"""Cost is linear in neurons and steps, and memory in what is recorded.

Hodgkin–Huxley cells, RK4, double: nanoseconds a neuron and step for n = 10² …
10⁵, seconds for ten times as many steps, and the peak memory of fresh processes
that record ten times as much. Draws results/scaling.png.

    taskset -c 0 python benchmarks/scaling.py
"""

import json
import subprocess
import sys

from harness import RESULTS, arguments, save, take_turns

import ranvier as rv

PROCESS = """
import json, resource, sys
import ranvier as rv
every = float(sys.argv[1])
cells = rv.Population(1000, rv.neurons.HodgkinHuxley(), current=10.0, name="cells")
run = rv.simulate(cells, duration=100.0, record=rv.Record(cells, "V", every=every))
print(json.dumps([run.V.nbytes / 2**20, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10]))
"""


def seconds(n: int, steps: int) -> float:
    net = rv.Network(rv.Population(n, rv.neurons.HodgkinHuxley(), current=10.0, name="cells"))
    return rv.simulate(net, duration=steps * 0.01).info["run_seconds"]


def main() -> None:
    options = arguments(__doc__)
    sizes = (100, 1000) if options.quick else (100, 1000, 10_000, 100_000)
    neurons, steps = {}, {}
    for n in sizes:
        count = max(30, 1_000_000 // n)
        seconds(n, count)
        neurons[n] = take_turns({"run": lambda n=n, count=count: seconds(n, count)}, options.rounds)["run"]["median"] * 1e9 / n / count
    for count in (1000, 10_000) if options.quick else (1000, 10_000, 100_000):
        steps[count] = take_turns({"run": lambda count=count: seconds(100, count)}, options.rounds)["run"]["median"]
    memory = [
        json.loads(subprocess.run([sys.executable, "-c", PROCESS, str(e)], check=True, capture_output=True, text=True).stdout)
        for e in (10, 1, 0.1, 0.05, 0.02)
    ]
    if not options.quick:
        draw(neurons, steps, memory)
    save(
        __file__,
        options,
        {
            "nanoseconds_a_neuron_step": neurons,
            "seconds_by_steps_of_100_neurons": steps,
            "memory_mebibytes": [{"recorded": r, "peak": p} for r, p in memory],
        },
    )


def draw(neurons: dict, steps: dict, memory: list) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.2), layout="constrained")
    axes = figure.subplots(1, 3)
    axes[0].loglog(list(neurons), list(neurons.values()), "o-", color="#0072B2")
    axes[0].set(xlabel="neurons", ylabel="ns a neuron and step", title="Neurons")
    axes[0].set_ylim(10, 1e4)
    axes[1].loglog(list(steps), list(steps.values()), "o-", color="#0072B2")
    axes[1].set(xlabel="steps (100 neurons)", ylabel="seconds", title="Steps")
    axes[2].plot([r for r, _ in memory], [p for _, p in memory], "o-", color="#0072B2")
    axes[2].set(xlabel="recorded (MiB)", ylabel="peak memory of the process (MiB)", title="Memory")
    axes[2].set_ylim(0)
    RESULTS.mkdir(exist_ok=True)
    figure.savefig(RESULTS / "scaling.png", dpi=130)


if __name__ == "__main__":
    main()
