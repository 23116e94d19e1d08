"""What it costs that the host looks in: 4 · 10⁶ neurons, and 4 · 10⁴, 200 steps in one call and in 200.

Between two checkpoints the host sees spikes, rows, counts and whether a number
has gone wrong; the state stays where it is. So a visit must cost less than one
copy of the state by the host, and that stands beside. What remains of size n is
the device's own look for numbers that went wrong; the host's stands beside too.

    python benchmarks/visits.py
"""

import time

import numpy as np
from harness import arguments, save, take_turns

import ranvier as rv

STEPS, DT = 200, 0.1


def measured(n: int, rounds: int) -> dict:
    cells = rv.Population(n, rv.neurons.LeakyIntegrateAndFire(refractory=2.0), current=100.0, name="cells")
    sim = rv.prepare(cells, dt=DT, record=[], precision="single")
    first = sim.run(1.0)
    values = [np.array(x) for x in first.state.neurons["cells"].values()]
    asked = rv.Until(lambda now: False, every=DT)

    def processor(call):
        def timed() -> float:
            began = time.process_time()
            call()
            return time.process_time() - began

        return timed

    seconds = take_turns(
        {
            "one call": processor(lambda: sim.run(STEPS * DT)),
            "200 calls": processor(lambda: sim.run(STEPS * DT, until=asked)),
            "a copy of the state": processor(lambda: [x.copy() for x in values]),
            "a look at all of it by the host": processor(lambda: [np.isfinite(x).all() for x in values]),
        },
        rounds,
    )
    visit = (seconds["200 calls"]["min"] - seconds["one call"]["min"]) / (STEPS - 1)
    return {"bytes of the state": sum(x.nbytes for x in values), "processor seconds": seconds, "milliseconds a visit": 1000.0 * visit}


def main() -> None:
    options = arguments(__doc__)
    sizes = (40_000,) if options.quick else (40_000, 4_000_000)
    save(__file__, options, {"neurons": {str(n): measured(n, options.rounds) for n in sizes}})


if __name__ == "__main__":
    main()
