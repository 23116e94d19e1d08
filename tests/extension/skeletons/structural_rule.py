"""A rule of your own by which synapses come and go."""

from typing import Any

import numpy as np

import ranvier as rv


class LoseAndFind(rv.StructuralRule):
    """Weak synapses go; each target looks for as many elsewhere, rather from sources that fire much."""

    equations = "w < bound: the synapse goes, and its target gets another, from a source drawn in proportion to its rate"
    reference = "an example"

    bound: Any = rv.parameter(0.5, "input", text="weights below it go")
    tau: Any = rv.parameter(100.0, "ms", bounds=(1e-12, float("inf")), text="over how long rates are averaged")

    def source_traces(self):
        return {"rate": rv.plasticity.Trace(self.tau, jump=1000.0 / self.tau)}  # in Hz

    def rewire(self, synapses, source, target, draws: np.random.Generator, interval):
        keep = synapses.weight >= self.bound
        post = synapses.post[~keep]
        chance = source["rate"] + 1.0
        pre = draws.choice(synapses.sources, size=len(post), p=chance / chance.sum())
        fits = synapses.new_among(pre, post, keep)  # none with itself, none twice
        return rv.plasticity.Rewiring(keep, pre[fits], post[fits])
