"""The same networks in Ranvier, behind the same lines of JSON. Every run is a whole one, from the initial state.

python ranvier_networks.py coba 4000 --precision single
python ranvier_networks.py brunel --g 5 --eta 2 --reset 0
"""

import argparse
import resource

import learning
import numpy as np
from worker import clock, serve

import ranvier as rv


def brette(options: argparse.Namespace) -> tuple:
    network = getattr(rv.models, options.model)(scale=options.neurons / 4000)
    return network, None if options.model == "cuba" else rv.ExponentialEuler()


def brunel(options: argparse.Namespace) -> tuple:
    """As `rv.models.brunel`, whose potential falls back to 10 mV, with any other."""
    cell = rv.neurons.LeakyIntegrateAndFire(
        capacitance=200.0, leak=10.0, rest=0.0, threshold=20.0, reset_potential=options.reset, refractory=2.0
    )
    exc, inh = (rv.Population(round(n * options.scale), cell, name=name) for n, name in ((10_000, "exc"), (2_500, "inh")))
    everyone, kick = [exc, inh], rv.synapses.Delta()
    return rv.Network(
        exc,
        inh,
        rv.Projection(exc, everyone, kick, rv.connect.fixed_in_degree(1000), weight=0.1, delay=1.5, name="excitation"),
        rv.Projection(inh, everyone, kick, rv.connect.fixed_in_degree(250), weight=-0.1 * options.g, delay=1.5, name="inhibition"),
        rv.PoissonInput(everyone, kick, rate=10.0 * options.eta, sources=1000, weight=0.1, name="drive"),
    ), None


def microcircuit(options: argparse.Namespace) -> tuple:
    return rv.models.microcircuit(scale=options.scale), None


def learning_brunel(options: argparse.Namespace) -> tuple:
    """Brunel's network that learns; see `learning.py`."""
    how = learning.brunel(options.neurons)
    cell = rv.neurons.LeakyIntegrateAndFire(
        capacitance=10.0 * learning.TAU,
        leak=10.0,
        rest=0.0,
        threshold=learning.THRESHOLD,
        reset_potential=learning.RESET,
        refractory=learning.REFRACTORY,
    )
    exc, inh = (
        rv.Population(n, cell, initial={"V": rv.uniform(0.0, learning.THRESHOLD)}, name=name)
        for n, name in ((how.n_e, "exc"), (how.n_i, "inh"))
    )
    everyone, kick, delay = [exc, inh], rv.synapses.Delta(), learning.DELAY
    excitation, inhibition = rv.connect.fixed_in_degree(how.c_e), rv.connect.fixed_in_degree(how.c_i)
    rule = RULES[options.rule](how)
    return rv.Network(
        exc,
        inh,
        rv.Projection(exc, exc, kick, excitation, weight=how.weight, delay=delay, plasticity=rule, name="learning"),
        rv.Projection(exc, inh, kick, excitation, weight=how.weight, delay=delay, name="excitation"),
        rv.Projection(inh, everyone, kick, inhibition, weight=-learning.G * how.weight, delay=delay, name="inhibition"),
        rv.PoissonInput(everyone, kick, rate=how.drive / how.c_e, sources=how.c_e, weight=how.weight, name="drive"),
    ), None


class OwnPair(rv.plasticity.PairSTDP):
    """The same rule as a user writes it, whom no kernel knows."""

    def on_pre(self, edge, pre, post, modulator):
        return {"weight": edge["weight"] - self.high * self.depression * post["post"]}

    def on_post(self, edge, pre, post, modulator):
        return {"weight": edge["weight"] + self.high * self.potentiation * pre["pre"]}


RULES = {
    "pair": lambda how: rv.plasticity.PairSTDP(high=how.high, **learning.PAIR),
    "own": lambda how: OwnPair(high=how.high, **learning.PAIR),
    "normalized": lambda how: rv.plasticity.PairSTDP(
        high=how.high, homeostasis=rv.plasticity.Normalization(total=how.c_e * how.weight, every=1000.0), **learning.PAIR
    ),
    "triplet": lambda how: rv.plasticity.TripletSTDP(high=how.high, **learning.TRIPLET),
}


def vogels(options: argparse.Namespace) -> tuple:
    """Inhibition that learns; see `learning.py`."""
    numbers = learning.VOGELS
    cell = rv.neurons.LeakyIntegrateAndFire(
        capacitance=numbers["C"],
        leak=numbers["leak"],
        rest=numbers["rest"],
        threshold=numbers["threshold"],
        reset_potential=numbers["rest"],
        refractory=numbers["refractory"],
    )
    start = {"V": rv.uniform(numbers["rest"], numbers["threshold"])}
    sizes = ((options.neurons * 4 // 5, "exc"), (options.neurons // 5, "inh"))
    exc, inh = (rv.Population(n, cell, initial=start, current=numbers["current"], name=name) for n, name in sizes)
    ampa = rv.synapses.ExponentialConductance(tau=learning.VOGELS_TAU_E, reversal=0.0)
    gaba = rv.synapses.ExponentialConductance(tau=learning.VOGELS_TAU_I, reversal=learning.VOGELS_INHIBITION)
    connected = rv.connect.pairwise_bernoulli(learning.VOGELS_CONNECTED)
    rule = rv.plasticity.InhibitorySTDP(
        high=100.0, learning_rate=learning.LEARNING_RATE, target_rate=learning.TARGET_RATE, tau=learning.TAU_STDP
    )
    return rv.Network(
        exc,
        inh,
        rv.Projection(exc, [exc, inh], ampa, connected, weight=learning.VOGELS_EXCITATORY, name="excitation"),
        rv.Projection(inh, inh, gaba, connected, weight=learning.VOGELS_INHIBITORY, name="inhibition"),
        rv.Projection(inh, exc, gaba, connected, weight=0.0, plasticity=rule, name="learning"),
    ), rv.ExponentialEuler()


MODELS = {
    "coba": brette,
    "cuba": brette,
    "cobahh": brette,
    "brunel": brunel,
    "microcircuit": microcircuit,
    "learning": learning_brunel,
    "vogels": vogels,
}


def build(options: argparse.Namespace) -> tuple:
    network, integrator = MODELS[options.model](options)

    now, seen = clock(options.threads), []

    def run(duration: float) -> rv.Result:
        return rv.simulate(
            network,
            duration=duration,
            dt=options.dt,
            integrator=integrator,
            precision=options.precision,
            seed=options.seed,
            progress=lambda progress: seen.append((now(), progress.time)),
        )

    def once() -> dict:
        seen[:] = [(now(), 0.0)]
        result = run(options.duration)
        (began, first), (ended, last) = (
            seen[1 if len(seen) > 2 else 0],
            seen[-1],
        )  # the calls of the compiled loop; of several not the first
        return {"microseconds_a_step": (ended - began) * 1e6 / round((last - first) / options.dt), **facts_of(options, result)}

    info = run(min(options.duration, 10.0)).info
    return {name: info[name] for name in ("build_seconds", "compile_seconds", "integrator")}, once


def facts_of(options: argparse.Namespace, run: rv.Result) -> dict:
    late = np.asarray(run.spikes.times) >= options.discard
    seconds = (options.duration - options.discard) / 1000
    counts = [int((run[name].spikes.times >= options.discard).sum()) / run[name].spikes.n for name in run.network.populations]
    return {
        "rate_hz": float(late.sum() / run.spikes.n / seconds),
        "rates_hz": [c / seconds for c in counts],
        "build_seconds": run.info["build_seconds"],
        "peak_mebibytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("neurons", type=int, nargs="?", help="of all but Brunel's network and the microcircuit, which have a scale")
    parser.add_argument("--rule", choices=RULES, default="pair", help="by which Brunel's network learns")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--precision", choices=("double", "single"), default="double")
    parser.add_argument("--threads", type=int, default=1, help="how many cores the process has: one is timed by processor time")
    parser.add_argument("--duration", type=float, default=1000.0, help="ms")
    parser.add_argument("--discard", type=float, default=0.0, help="ms at the start that the rate leaves out")
    parser.add_argument("--dt", type=float, default=0.1, help="ms")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--g", type=float, default=5.0)
    parser.add_argument("--eta", type=float, default=2.0)
    parser.add_argument("--reset", type=float, default=0.0)
    options = parser.parse_args()
    if options.duration / options.dt < 2000:
        parser.error("the loop is timed from its first call's end on: at least 2000 steps")
    serve(lambda: build(options))


if __name__ == "__main__":
    main()
