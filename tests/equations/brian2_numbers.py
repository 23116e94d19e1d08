"""Makes `brian2.json`: `python tests/equations/brian2_numbers.py`, where Brian2 is installed. No test runs this.

The same equations as in `models.py`, with Brian2's method of the same name and the same step. A refractory period is one step longer
there: Brian2 counts it from the beginning of the spike's step.
"""

import json
from pathlib import Path

import brian2 as b
import numpy as np
from brian2 import Hz, Mohm, cm, kHz, mS, ms, mV, nA, nS, pA, pF, uA, uF

FILE = Path(__file__).with_name("brian2.json")
b.prefs.codegen.target = "numpy"
CURRENTS = np.linspace(0.0, 1.0, 6)


def run(
    equations, dt, duration, *, current, unit=1, told="1", method, threshold, reset="", initial=(), refractory=False, keep=(), **parameters
):
    b.start_scope()
    b.defaultclock.dt = dt * ms
    equations += f"\nI : {told}"
    cells = b.NeuronGroup(
        len(current),
        equations,
        threshold=threshold,
        reset=reset,
        refractory=refractory,
        method=method,
        namespace={**parameters, "mV": mV, "ms": ms, "nS": nS, "pi": np.pi},
    )
    cells.I = current * unit
    for name, value in dict(initial).items():
        setattr(cells, name, value)
    spikes = b.SpikeMonitor(cells)
    b.Network(cells, spikes).run(duration * ms)
    steps = np.rint(spikes.t / ms / dt).astype(int)
    order = np.lexsort((np.asarray(spikes.i), steps))
    return {
        "steps": steps[order].tolist(),
        "neurons": np.asarray(spikes.i)[order].tolist(),
        **{name: np.asarray(getattr(cells, variable) / u, float).tolist() for name, variable, u in keep},
    }


def leaky():
    return run(
        "dv/dt = (E - v + R*I) / tau : volt (unless refractory)",
        0.1,
        200,
        current=400 * CURRENTS,
        unit=pA,
        told="amp",
        method="exact",
        threshold="v > th",
        reset="v = E",
        refractory=5.1 * ms,
        initial={"v": -70 * mV},
        keep=[("V", "v", mV)],
        E=-70 * mV,
        R=100 * Mohm,
        tau=10 * ms,
        th=-50 * mV,
    )


def adaptive_threshold():
    return run(
        "dv/dt = (E - v)/tau + I/C : volt\ndth/dt = (th_rest - th)/tau_th : volt",
        0.1,
        200,
        current=300 * CURRENTS,
        unit=pA,
        told="amp",
        method="exact",
        threshold="v > th",
        reset="v = E; th += 3*mV",
        initial={"v": -65 * mV, "th": -50 * mV},
        keep=[("V", "v", mV), ("th", "th", mV)],
        E=-65 * mV,
        tau=10 * ms,
        C=100 * pF,
        th_rest=-50 * mV,
        tau_th=15 * ms,
    )


def adex():
    return run(
        "dv/dt = (gL*(EL - v) + gL*D*exp((v - VT)/D) + I - w)/C : volt\ndw/dt = (a*(v - EL) - w)/tauw : amp",
        0.05,
        200,
        current=1000 * CURRENTS,
        unit=pA,
        told="amp",
        method="rk4",
        threshold="v > cut",
        reset="v = EL; w += bb",
        initial={"v": -70.6 * mV},
        keep=[("V", "v", mV), ("w", "w", pA)],
        C=281 * pF,
        gL=30 * nS,
        EL=-70.6 * mV,
        VT=-50.4 * mV,
        D=2 * mV,
        cut=-40.4 * mV,
        tauw=144 * ms,
        a=4 * nS,
        bb=0.0805 * nA,
    )


def izhikevich():
    return run(
        "dv/dt = (0.04/ms/mV)*v**2 + (5/ms)*v + 140*mV/ms - u + I : volt\ndu/dt = a*(bb*v - u) : volt/second",
        0.05,
        200,
        current=20 * CURRENTS,
        unit=mV / ms,
        told="volt/second",
        method="rk4",
        threshold="v >= 30*mV",
        reset="v = c; u += d",
        initial={"v": -65 * mV, "u": -13 * mV / ms},
        keep=[("V", "v", mV), ("u", "u", mV / ms)],
        a=0.02 / ms,
        bb=0.2 / ms,
        c=-65 * mV,
        d=8 * mV / ms,
    )


def traub_miles():
    return run(
        """dv/dt = (gl*(El - v) + g_na*m**3*h*(ENa - v) + g_kd*n**4*(EK - v) + I)/C : volt
        dm/dt = alpha_m*(1 - m) - beta_m*m : 1
        dn/dt = alpha_n*(1 - n) - beta_n*n : 1
        dh/dt = alpha_h*(1 - h) - beta_h*h : 1
        alpha_m = 0.32*4/exprel((13*mV - v + VT)/(4*mV))/ms : Hz
        beta_m = 0.28*5/exprel((v - VT - 40*mV)/(5*mV))/ms : Hz
        alpha_h = 0.128*exp((17*mV - v + VT)/(18*mV))/ms : Hz
        beta_h = 4./(1 + exp((40*mV - v + VT)/(5*mV)))/ms : Hz
        alpha_n = 0.032*5/exprel((15*mV - v + VT)/(5*mV))/ms : Hz
        beta_n = .5*exp((10*mV - v + VT)/(40*mV))/ms : Hz""",
        0.02,
        100,
        current=1000 * CURRENTS,
        unit=pA,
        told="amp",
        method="exponential_euler",
        threshold="v > -20*mV",
        refractory="v > -20*mV",
        initial={"v": -60 * mV},
        keep=[("V", "v", mV), ("n", "n", 1)],
        C=200 * pF,
        gl=10 * nS,
        El=-60 * mV,
        g_na=20000 * nS,
        g_kd=6000 * nS,
        ENa=50 * mV,
        EK=-90 * mV,
        VT=-63 * mV,
    )


def wang_buzsaki():
    return run(
        """dv/dt = (-gNa*m**3*h*(v - ENa) - gK*n**4*(v - EK) - gL*(v - EL) + I)/Cm : volt
        m = alpha_m/(alpha_m + beta_m) : 1
        alpha_m = 0.1/mV*10*mV/exprel(-(v + 35*mV)/(10*mV))/ms : Hz
        beta_m = 4*exp(-(v + 60*mV)/(18*mV))/ms : Hz
        dh/dt = 5*(alpha_h*(1 - h) - beta_h*h) : 1
        alpha_h = 0.07*exp(-(v + 58*mV)/(20*mV))/ms : Hz
        beta_h = 1./(exp(-0.1/mV*(v + 28*mV)) + 1)/ms : Hz
        dn/dt = 5*(alpha_n*(1 - n) - beta_n*n) : 1
        alpha_n = 0.01/mV*10*mV/exprel(-(v + 34*mV)/(10*mV))/ms : Hz
        beta_n = 0.125*exp(-(v + 44*mV)/(80*mV))/ms : Hz""",
        0.02,
        200,
        current=5 * CURRENTS,
        unit=uA / cm**2,
        told="amp/metre**2",
        method="rk4",
        threshold="v > -20*mV",
        refractory="v > -20*mV",
        initial={"v": -70 * mV, "h": 1},
        keep=[("V", "v", mV), ("h", "h", 1), ("n", "n", 1)],
        Cm=1 * uF / cm**2,
        gL=0.1 * mS / cm**2,
        EL=-65 * mV,
        gNa=35 * mS / cm**2,
        gK=9 * mS / cm**2,
        ENa=55 * mV,
        EK=-90 * mV,
    )


def morris_lecar():
    return run(
        """dv/dt = (gL*(EL - v) + gK*w*(EK - v) + gCa*(1 + tanh((v - V1)/V2))/2*(ECa - v) + I)/C : volt
        dw/dt = phi*((1 + tanh((v - V3)/V4))/2 - w)*cosh((v - V3)/(2*V4)) : 1""",
        0.05,
        400,
        current=150 * CURRENTS,
        unit=uA / cm**2,
        told="amp/metre**2",
        method="rk4",
        threshold="v > 0*mV",
        refractory="v > 0*mV",
        initial={"v": -60 * mV, "w": 0.01},
        keep=[("V", "v", mV), ("w", "w", 1)],
        C=20 * uF / cm**2,
        gL=2 * mS / cm**2,
        gK=8 * mS / cm**2,
        gCa=4.4 * mS / cm**2,
        EL=-60 * mV,
        EK=-84 * mV,
        ECa=120 * mV,
        V1=-1.2 * mV,
        V2=18 * mV,
        V3=2 * mV,
        V4=30 * mV,
        phi=0.04 * kHz,
    )


def fitzhugh_nagumo():
    return run(
        "dv/dt = (v - v**3/3 - w + I)/ms : 1\ndw/dt = 0.08*(v + 0.7 - 0.8*w)/ms : 1",
        0.1,
        200,
        current=CURRENTS,
        method="rk4",
        threshold="v > 1",
        refractory="v > 1",
        initial={"v": -1.2, "w": -0.62},
        keep=[("V", "v", 1), ("w", "w", 1)],
    )


def hindmarsh_rose():
    return run(
        "dv/dt = (y - v**3 + 3*v**2 - z + I)/ms : 1\ndy/dt = (1 - 5*v**2 - y)/ms : 1\ndz/dt = r*(4*(v + 1.6) - z) : 1",
        0.05,
        500,
        current=4 * CURRENTS,
        method="rk4",
        threshold="v > 1",
        refractory="v > 1",
        initial={"v": -1.6, "y": -11.8, "z": 1.0},
        keep=[("V", "v", 1), ("z", "z", 1)],
        r=6 * Hz,
    )


def quadratic():
    return run(
        "dv/dt = (k*(v - E)*(v - Vc) + I)/C : volt",
        0.05,
        200,
        current=400 * CURRENTS,
        unit=pA,
        told="amp",
        method="rk4",
        threshold="v > 30*mV",
        reset="v = E + 5*mV",
        initial={"v": -60 * mV},
        keep=[("V", "v", mV)],
        k=0.5 * nS / mV,
        C=100 * pF,
        E=-60 * mV,
        Vc=-40 * mV,
    )


def phase_locking():
    return run(
        "dv/dt = (-v + a*(1 + 0.5*sin(2*pi*f*t)) + I)/tau : 1",
        0.1,
        400,
        current=CURRENTS,
        method="rk4",
        threshold="v > 1",
        reset="v = 0",
        keep=[("V", "v", 1)],
        a=0.6,
        tau=20 * ms,
        f=10 * Hz,
    )


def spike_frequency_adaptation():
    return run(
        "dv/dt = (E - v)/tau + (ga*(Ea - v) + I)/C : volt\ndga/dt = -ga/taua : siemens",
        0.1,
        300,
        current=800 * CURRENTS,
        unit=pA,
        told="amp",
        method="rk4",
        threshold="v > th and ga < 40*nS",
        reset="v = E; ga += 5*nS",
        initial={"v": -70 * mV},
        keep=[("V", "v", mV), ("g_a", "ga", nS)],
        E=-70 * mV,
        tau=15 * ms,
        C=200 * pF,
        Ea=-80 * mV,
        taua=80 * ms,
        th=-54 * mV,
    )


def coupled(extra, duration, wires, method):
    """Four leaky cells; `wires` makes synapses between them."""
    b.start_scope()
    b.defaultclock.dt = 0.1 * ms
    names = {"E": -65 * mV, "tau": 15 * ms, "C": 150 * pF, "th": -50 * mV, "mV": mV, "nS": nS, "pA": pA}
    terms = " + ".join(["I", *extra])
    cells = b.NeuronGroup(
        4,
        f"dv/dt = (E - v)/tau + ({terms})/C : volt (unless refractory)\nI : amp\n" + "\n".join(extra.values()),
        threshold="v > th",
        reset="v = E",
        refractory=3.1 * ms,
        method=method,
        namespace={**names, "Ei": -80 * mV, "Ee": 0 * mV, "te": 5 * ms, "ti": 10 * ms},
    )
    cells.v = -65 * mV
    cells.I = np.linspace(0, 300, 4) * pA
    spikes = b.SpikeMonitor(cells)
    b.Network(cells, spikes, *wires(cells)).run(duration * ms)
    steps = np.rint(spikes.t / (0.1 * ms)).astype(int)
    order = np.lexsort((np.asarray(spikes.i), steps))
    return {"steps": steps[order].tolist(), "neurons": np.asarray(spikes.i)[order].tolist(), "V": np.asarray(cells.v / mV, float).tolist()}


def connected(cells, *args, delay=0.0, **options):
    synapses = b.Synapses(cells, cells, *args, **options)
    synapses.connect("i != j")
    if delay:
        synapses.delay = delay * ms
    return synapses


def exponential_conductances():
    extra = {"ge*(Ee - v)": "dge/dt = -ge/te : siemens", "gi*(Ei - v)": "dgi/dt = -gi/ti : siemens"}
    wires = lambda cells: [connected(cells, on_pre="ge += 2*nS", delay=1.5), connected(cells, on_pre="gi += 3*nS", delay=0.5)]
    return coupled(extra, 200, wires, "euler")


def kicks():
    return coupled({}, 200, lambda cells: [connected(cells, on_pre="v_post += 0.8*mV", delay=2.0)], "exact")


def saturating_gates():
    model = """ds/dt = -s/(100*ms) + 0.5*kHz*x*(1 - s) : 1 (clock-driven)
    dx/dt = -x/(2*ms) : 1 (clock-driven)
    Is_post = 1.5*nS*s*(0*mV - v_post)/(1 + exp(-0.062*v_post/mV)/3.57) : amp (summed)"""
    wires = lambda cells: [connected(cells, model, on_pre="x += 1", method="euler")]
    return coupled({"Is": "Is : amp"}, 300, wires, "euler")


def electrical():
    return coupled({"Ig": "Ig : amp"}, 300, lambda cells: [connected(cells, "Ig_post = 0.7*nS*(v_pre - v_post) : amp (summed)")], "euler")


MODELS = (
    leaky,
    adaptive_threshold,
    adex,
    izhikevich,
    traub_miles,
    wang_buzsaki,
    morris_lecar,
    fitzhugh_nagumo,
    hindmarsh_rose,
    quadratic,
    phase_locking,
    spike_frequency_adaptation,
    exponential_conductances,
    kicks,
    saturating_gates,
    electrical,
)

if __name__ == "__main__":
    FILE.write_text(json.dumps({"Brian2": b.__version__, **{f.__name__: f() for f in MODELS}}, separators=(",", ":")) + "\n")
