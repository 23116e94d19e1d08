"""A rule of plasticity of your own: what a spike of either side does to a weight."""

from typing import Any

import ranvier as rv


class CentredSTDP(rv.PlasticityRule):
    """Each arrival is paired with the target's last spike before it and its next one after it ("presynaptic-centred")."""

    equations = """an arrival: w = w - depression * y;  x = x + 1
a spike of the target: w = w + potentiation * (x - x just after the target's last spike);  y = 1
dx/dt = -x/tau,  dy/dt = -y/tau"""
    reference = "Morrison, Diesmann & Gerstner 2008, Biol Cybern 98:459, section 4.1.2"

    potentiation: Any = rv.parameter(0.01, "1", text="change where the target fires after an arrival, in the weight's unit")
    depression: Any = rv.parameter(0.0105, "1", text="change where a spike arrives after the target fired")
    tau: Any = rv.parameter(20.0, "ms", bounds=(1e-12, float("inf")))

    def pre_traces(self):
        return {"x": rv.plasticity.Trace(self.tau)}

    def post_traces(self):
        return {"y": rv.plasticity.Trace(self.tau, nearest=True)}

    def edge_state(self):
        return {"counted": self.tau}  # what of x has been paired already: it fades as x does

    def on_pre(self, edge, pre, post, third):
        return {"weight": edge["weight"] - self.depression * post["y"]}

    def on_post(self, edge, pre, post, third):
        return {"weight": edge["weight"] + self.potentiation * (pre["x"] - edge["counted"]), "counted": pre["x"]}
