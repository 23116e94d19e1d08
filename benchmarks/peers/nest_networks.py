"""Brunel's network (2000) and the microcircuit of Potjans & Diesmann (2014) in NEST, both with true Poisson drive.

The network is built once; every run goes on from where the last one ended.

    python nest_networks.py brunel --threads 1 --g 5 --eta 2 --reset 0
    python nest_networks.py microcircuit --scale 0.1 --threads 2
"""

import argparse
import resource
import time

import learning
import numpy as np
from worker import clock, quiet, serve

with quiet():  # it greets
    import nest

DT = 0.1


def brunel(options: argparse.Namespace) -> list:
    """Returns the populations, excitatory and inhibitory. Below full scale the in-degrees stay."""
    n_e, n_i = round(10_000 * options.scale), round(2_500 * options.scale)
    c_e, c_i = 1000, 250
    tau, theta, weight, delay = 20.0, 20.0, 0.1, 1.5
    drive = 1000 * options.eta * theta / (weight * c_e * tau) * c_e  # Hz
    cell = {"C_m": 1.0, "tau_m": tau, "t_ref": 2.0, "E_L": 0.0, "V_reset": options.reset, "V_m": options.reset, "V_th": theta}
    e, i = (nest.Create("iaf_psc_delta", n, params=cell) for n in (n_e, n_i))
    noise = nest.Create("poisson_generator", params={"rate": drive})
    nest.CopyModel("static_synapse", "excitatory", {"weight": weight, "delay": delay})
    nest.CopyModel("static_synapse", "inhibitory", {"weight": -options.g * weight, "delay": delay})
    nest.Connect(noise, e + i, syn_spec="excitatory")
    nest.Connect(e, e + i, {"rule": "fixed_indegree", "indegree": c_e}, "excitatory")
    nest.Connect(i, e + i, {"rule": "fixed_indegree", "indegree": c_i}, "inhibitory")
    return [e, i]


def learning_brunel(options: argparse.Namespace) -> list:
    """Brunel's network whose excitatory neurons learn among each other; see `learning.py`. Delays are the dendrites', as NEST has them."""
    how = learning.brunel(options.neurons)
    cell = {
        "C_m": 1.0,
        "tau_m": learning.TAU,
        "t_ref": learning.REFRACTORY,
        "E_L": 0.0,
        "V_reset": learning.RESET,
        "V_th": learning.THRESHOLD,
    }
    if options.rule == "pair":
        numbers = learning.PAIR
        of_cell = {"tau_minus": numbers["tau_minus"]}
        model = "stdp_synapse"
        of_synapse = {
            "lambda": numbers["potentiation"],
            "alpha": numbers["depression"] / numbers["potentiation"],
            "mu_plus": 0.0,
            "mu_minus": 0.0,
            "tau_plus": numbers["tau_plus"],
        }
    else:
        numbers = learning.TRIPLET
        of_cell = {"tau_minus": numbers["tau_minus"], "tau_minus_triplet": numbers["tau_y"]}
        model = "stdp_triplet_synapse"
        of_synapse = {
            "Aplus": how.high * numbers["pair_potentiation"],
            "Aplus_triplet": how.high * numbers["triplet_potentiation"],
            "Aminus": how.high * numbers["pair_depression"],
            "Aminus_triplet": how.high * numbers["triplet_depression"],
            "tau_plus": numbers["tau_plus"],
            "tau_plus_triplet": numbers["tau_x"],
        }
    e, i = (nest.Create("iaf_psc_delta", n, params={**cell, **of_cell}) for n in (how.n_e, how.n_i))
    for some in (e, i):
        some.V_m = nest.random.uniform(0.0, learning.THRESHOLD)
    noise = nest.Create("poisson_generator", params={"rate": how.drive})
    nest.CopyModel(model, "learning", {"weight": how.weight, "delay": learning.DELAY, "Wmax": how.high, **of_synapse})
    nest.CopyModel("static_synapse", "excitatory", {"weight": how.weight, "delay": learning.DELAY})
    nest.CopyModel("static_synapse", "inhibitory", {"weight": -learning.G * how.weight, "delay": learning.DELAY})
    nest.Connect(noise, e + i, syn_spec="excitatory")
    nest.Connect(e, e, {"rule": "fixed_indegree", "indegree": how.c_e}, "learning")
    nest.Connect(e, i, {"rule": "fixed_indegree", "indegree": how.c_e}, "excitatory")
    nest.Connect(i, e + i, {"rule": "fixed_indegree", "indegree": how.c_i}, "inhibitory")
    return [e, i]


SIZES = np.array([20683, 5834, 21915, 5479, 4850, 1065, 14395, 2948])
PROBABILITIES = np.array(
    [
        [0.1009, 0.1689, 0.0437, 0.0818, 0.0323, 0.0, 0.0076, 0.0],
        [0.1346, 0.1371, 0.0316, 0.0515, 0.0755, 0.0, 0.0042, 0.0],
        [0.0077, 0.0059, 0.0497, 0.135, 0.0067, 0.0003, 0.0453, 0.0],
        [0.0691, 0.0029, 0.0794, 0.1597, 0.0033, 0.0, 0.1057, 0.0],
        [0.1004, 0.0622, 0.0505, 0.0057, 0.0831, 0.3726, 0.0204, 0.0],
        [0.0548, 0.0269, 0.0257, 0.0022, 0.06, 0.3158, 0.0086, 0.0],
        [0.0156, 0.0066, 0.0211, 0.0166, 0.0572, 0.0197, 0.0396, 0.2252],
        [0.0364, 0.001, 0.0034, 0.0005, 0.0277, 0.008, 0.0658, 0.1443],
    ]
)
EXTERNAL = np.array([1600, 1500, 2100, 1900, 2000, 1900, 2900, 2100])
FULL_RATES = np.array([0.971, 2.868, 4.746, 5.396, 8.142, 9.078, 0.991, 7.523])
START_MEAN = [-68.28, -63.16, -63.33, -63.45, -63.11, -61.66, -66.72, -61.43]
START_SD = [5.36, 4.57, 4.74, 4.94, 4.94, 4.55, 5.46, 4.48]
CELL = {
    "C_m": 250.0,
    "tau_m": 10.0,
    "tau_syn_ex": 0.5,
    "tau_syn_in": 0.5,
    "t_ref": 2.0,
    "E_L": -65.0,
    "V_reset": -65.0,
    "V_th": -50.0,
}
BACKGROUND, PSC = 8.0, 87.8  # Hz, pA


def microcircuit(options: argparse.Namespace) -> list:
    """Returns the populations L2/3E … L6I. Below full scale, neurons and in-degrees shrink together.

    The reference implementation's compensation: weights grow by 1/√scale, and a
    constant current replaces the mean input that is then missing.
    """
    scale = options.scale
    totals = np.log(1 - PROBABILITIES) / np.log(1 - 1 / np.outer(SIZES, SIZES))
    in_degrees = totals / SIZES[:, None]
    strength = PSC * np.tile([1.0, -4.0], (8, 4))
    strength[0, 2] *= 2
    missing = (strength * in_degrees) @ FULL_RATES + PSC * EXTERNAL * BACKGROUND
    current = 0.001 * CELL["tau_syn_ex"] * (1 - np.sqrt(scale)) * missing  # pA
    cells = [nest.Create("iaf_psc_exp", round(n * scale), params={**CELL, "I_e": c}) for n, c in zip(SIZES, current, strict=True)]
    for target in range(8):
        cells[target].V_m = nest.random.normal(START_MEAN[target], START_SD[target])
        drive = nest.Create("poisson_generator", params={"rate": BACKGROUND * round(EXTERNAL[target] * scale)})
        nest.Connect(drive, cells[target], syn_spec={"weight": PSC / np.sqrt(scale), "delay": 1.5})
        for source in range(8):
            count = round(totals[target, source] * scale**2)
            if count:
                nest.Connect(
                    cells[source], cells[target], {"rule": "fixed_total_number", "N": count}, synapse(strength[target, source], scale)
                )
    return cells


def synapse(strength: float, scale: float) -> dict:
    weight = strength / np.sqrt(scale)
    low, high = (0.0, np.inf) if weight > 0 else (-np.inf, 0.0)
    delay = 1.5 if weight > 0 else 0.75
    return {
        "weight": nest.math.redraw(nest.random.normal(weight, 0.1 * abs(weight)), low, high),
        "delay": nest.math.redraw(nest.random.normal(delay, delay / 2), DT / 2, np.inf),
    }


FORGETS = 1000
"""neurons: up to so many, weights begin anew with each run, as they do elsewhere; more would go on learning less than one notices"""

MODELS = {"brunel": brunel, "learning": learning_brunel, "microcircuit": microcircuit}


def build(options: argparse.Namespace) -> tuple:
    nest.set_verbosity("M_ERROR")
    nest.ResetKernel()
    nest.local_num_threads, nest.resolution, nest.rng_seed = options.threads, DT, options.seed
    began = time.perf_counter()
    populations = MODELS[options.model](options)
    recorder = nest.Create("spike_recorder")
    for cells in populations:
        nest.Connect(cells, recorder)
    nest.Prepare()
    built = time.perf_counter() - began
    nest.Run(options.discard)
    facts = {
        "build_seconds": built,
        "synapses": nest.num_connections,
        "peak_mebibytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10,
    }
    return facts, lambda: once(options, populations, recorder)


def once(options: argparse.Namespace, populations: list, recorder) -> dict:
    if options.model == "learning" and options.neurons <= FORGETS:
        nest.GetConnections(synapse_model="learning").weight = learning.brunel(options.neurons).weight
    earlier = recorder.n_events
    now = clock(options.threads)
    began = now()
    nest.Run(options.duration)
    seconds = now() - began
    senders = recorder.events["senders"][earlier:]
    counts = [int(((senders >= cells[0].global_id) & (senders <= cells[-1].global_id)).sum()) for cells in populations]
    sizes = [len(cells) for cells in populations]
    return {
        "microseconds_a_step": seconds * 1e6 / round(options.duration / DT),
        "rate_hz": sum(counts) / sum(sizes) / options.duration * 1000,
        "rates_hz": [c / n / options.duration * 1000 for c, n in zip(counts, sizes, strict=True)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("neurons", type=int, nargs="?", help="of the network that learns")
    parser.add_argument("--rule", choices=("pair", "triplet"), default="pair", help="by which it learns")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--duration", type=float, default=500.0, help="ms a run")
    parser.add_argument("--discard", type=float, default=100.0, help="ms at the start that no run has")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--g", type=float, default=5.0, help="Brunel's relative strength of inhibition")
    parser.add_argument("--eta", type=float, default=2.0, help="Brunel's external rate, relative to threshold")
    parser.add_argument("--reset", type=float, default=0.0, help="Brunel's V_r, mV")
    serve(lambda: build(parser.parse_args()))


if __name__ == "__main__":
    main()
