"""The antennal lobe of PSST's Day 6: 1000 ms, RK4, dt 0.01, V of all 120 neurons every 0.5 ms and all spikes.

How long a step takes, what compiling takes, and the process's peak memory. The
published code (TensorFlow) took 246 s and 13.5 GiB on one core; it is quoted,
not run. `ExponentialEuler` at 0.05 and single precision run beside RK4.

    taskset -c 0 python benchmarks/antennal_lobe.py
"""

import resource

from harness import arguments, save, take_turns

import ranvier as rv

PUBLISHED = {
    "seconds": 246.0,
    "gibibytes": 13.5,
    "source": "the published code under TensorFlow 2.21, one core of a 2.3 GHz AVX-512 machine",
}


def main() -> None:
    options = arguments(__doc__)
    duration = 50.0 if options.quick else 1000.0
    net = rv.models.antennal_lobe(seed=0)
    record = [rv.Record(p, "V", every=0.5) for p in ("PN", "LN")]
    facts: dict = {}

    def contender(name, **how):
        def call() -> float:
            run = rv.simulate(net, duration=duration, record=record, **how)
            fact = facts.setdefault(name, {"compile_seconds": run.info["compile_seconds"], "steps": run.info["steps"]})
            fact["rate_hz"] = {p: float(run[p].spikes.rate.mean()) for p in ("PN", "LN")}
            return run.info["run_seconds"]

        return call

    contenders = {
        "RK4 0.01 double": contender("RK4 0.01 double"),
        "RK4 0.01 single": contender("RK4 0.01 single", precision="single"),
        "exponential Euler 0.05 double": contender("exponential Euler 0.05 double", integrator=rv.ExponentialEuler(), dt=0.05),
    }
    contenders["RK4 0.01 double"]()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # before the others add to it
    for call in list(contenders.values())[1:]:
        call()
    times = take_turns(contenders, options.rounds)
    result = {
        name: {**facts[name], "seconds": times[name], "microseconds_a_step": times[name]["median"] * 1e6 / facts[name]["steps"]}
        for name in contenders
    }
    ours = times["RK4 0.01 double"]["median"]
    save(
        __file__,
        options,
        {
            "runs": result,
            "peak_gibibytes": peak,
            "published": PUBLISHED,
            "times_faster_than_published": PUBLISHED["seconds"] / ours * duration / 1000,
        },
    )


if __name__ == "__main__":
    main()
