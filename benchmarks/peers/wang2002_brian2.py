"""Wang's network of 2002 in Brian2: rates before the stimulus and late in it, and which pool wins, for several seeds.

    python benchmarks/peers/wang2002_brian2.py --seeds 6 --coherence 0 51.2 --out benchmarks/results/wang2002_brian2.json

It needs Brian2 alone. What it prints `tests/models/test_wang2002.py` keeps.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

POOLS = {"A": (0, 240), "B": (240, 480), "others": (480, 1600)}
WINDOWS = {"before": (200, 500), "late": (1300, 1500)}
STRONGER, SHARE = 1.7, 0.15
WEAKER = 1 - SHARE * (STRONGER - 1) / (1 - SHARE)


def run(seed: int, coherence: float) -> dict[str, list[float]]:
    """The mean rates (Hz) of each pool and of inhibition in each window."""
    import brian2 as b

    b.prefs.codegen.target = "cython"
    b.start_scope()
    b.seed(seed)
    b.defaultclock.dt = 0.1 * b.ms
    mv, ns, ms, hz = b.mV, b.nS, b.ms, b.Hz
    shared = """
    dv/dt = (-gl*(v - E_l) - (g_ext + g_ampa + open_nmda)*v - g_gaba*(v - E_i))/C : volt (unless refractory)
    open_nmda = g_nmda*s_tot/(1 + exp(-0.062*v/mV)/3.57) : siemens
    dg_ext/dt = -g_ext/(2*ms) : siemens
    dg_ampa/dt = -g_ampa/(2*ms) : siemens
    dg_gaba/dt = -g_gaba/(5*ms) : siemens
    s_tot : 1
    """
    names = {"E_l": -70 * mv, "E_i": -70 * mv}
    sender = "ds/dt = -s/(100*ms) + 0.5/ms*x*(1 - s) : 1\ndx/dt = -x/(2*ms) : 1"
    how = {"threshold": "v > -50*mV", "method": "euler"}
    pyramidal = {**names, "gl": 25 * ns, "C": 0.5 * b.nF, "g_nmda": 0.165 * ns}
    inter = {**names, "gl": 20 * ns, "C": 0.2 * b.nF, "g_nmda": 0.13 * ns}
    exc = b.NeuronGroup(1600, shared + sender, reset="v = -55*mV; x += 1", refractory=2 * ms, namespace=pyramidal, **how)
    inh = b.NeuronGroup(400, shared, reset="v = -55*mV", refractory=1 * ms, namespace=inter, **how)
    exc.v, inh.v = "-70*mV + 20*mV*rand()", "-70*mV + 20*mV*rand()"
    parts = {name: exc[a:z] for name, (a, z) in POOLS.items()}
    objects = [exc, inh]

    def wire(source, target, variable, weight):
        synapses = b.Synapses(source, target, on_pre=f"{variable} += {weight}*nS", delay=0.5 * ms)
        synapses.connect()
        objects.append(synapses)

    strength = lambda s, t: 1.0 if t not in ("A", "B") else STRONGER if s == t else WEAKER
    for s, source in parts.items():
        for t, target in parts.items():
            wire(source, target, "g_ampa", 0.05 * strength(s, t))
        wire(source, inh, "g_ampa", 0.04)
    wire(inh, exc, "g_gaba", 1.3)
    wire(inh, inh, "g_gaba", 1.0)

    late = np.zeros((5, 3))  # what each pool sent in the last 0.5 ms

    @b.network_operation(dt=0.1 * ms, when="start")
    def nmda():
        s = np.asarray(exc.s)
        late[:-1] = late[1:]
        late[-1] = [s[a:z].sum() for a, z in POOLS.values()]
        total = late[0]
        onto = np.empty(1600)
        for t, (a, z) in POOLS.items():
            onto[a:z] = sum(strength(p, t) * total[i] for i, p in enumerate(POOLS))
        exc.s_tot_[:], inh.s_tot_[:] = onto, total.sum()

    objects.append(nmda)
    rng = np.random.default_rng(seed)
    for group, weight in ((exc, 2.1), (inh, 1.62)):
        objects.append(b.PoissonInput(group, "g_ext", 1000, 2.4 * hz, weight * ns))
    for name, sign in (("A", 1), ("B", -1)):
        rates = np.maximum(40 * (1 + sign * coherence / 100) + 4 * rng.standard_normal(20), 0)
        table = b.TimedArray(np.concatenate([np.zeros(10), rates, np.zeros(21)]) * hz, dt=50 * ms)
        drive = b.PoissonGroup(240, rates="table(t)", namespace={"table": table})
        synapses = b.Synapses(drive, parts[name], on_pre="g_ext += 2.1*nS")
        synapses.connect(j="i")
        objects += [drive, synapses]
    spikes, others = b.SpikeMonitor(exc), b.SpikeMonitor(inh)
    b.Network(*objects, spikes, others).run(1500 * ms)
    t, i, ti = np.asarray(spikes.t / ms), np.asarray(spikes.i), np.asarray(others.t / ms)
    rates = {name: [] for name in (*POOLS, "inh")}
    for begin, end in WINDOWS.values():
        now = (t >= begin) & (t < end)
        for name, (a, z) in POOLS.items():
            rates[name].append(float((now & (i >= a) & (i < z)).sum() / (z - a) / (end - begin) * 1000))
        rates["inh"].append(float(((ti >= begin) & (ti < end)).sum() / 400 / (end - begin) * 1000))
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--coherence", type=float, nargs="+", default=[0.0, 51.2])
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    found = {"windows (ms)": WINDOWS, "runs": []}
    for coherence in given.coherence:
        for seed in range(given.seeds):
            found["runs"].append({"coherence": coherence, "seed": seed, "rates (Hz)": run(seed, coherence)})
            print(json.dumps(found["runs"][-1]), flush=True)
            if given.out:
                given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
