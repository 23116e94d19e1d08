"""Models of Brian2's examples as data, in the words of their papers: one text that both simulators read.

Run by `benchmarks/text_models.py`; as a program, in Brian2: `python benchmarks/peers/text_examples.py`. Needs NumPy alone to be imported.
Each says its equations, threshold, reset and refractory period, its parameters (`each`: one a neuron), a current one a neuron, how long and
with which method. `wires` are synapses: in Brian2 their variables stand among the neuron's.

One rule differs, and no weight here lies where it shows: a kick that lifts a cell over its threshold by less than a step's decay makes a
spike in Ranvier, which looks at both ends of a step, as NEST does; Brian2 looks after the step.
"""

import json
import sys
import time

import numpy as np

RAMP = np.linspace(0.0, 1.0, 6)

HODGKIN_HUXLEY = """
dV/dt = (g_l*(E_l - V) + g_na*m**3*h*(E_na - V) + g_k*n**4*(E_k - V) + I) / C : volt
dm/dt = a_m*(1 - m) - b_m*m : 1
dh/dt = a_h*(1 - h) - b_h*h : 1
dn/dt = a_n*(1 - n) - b_n*n : 1
a_m = 1/exprel(-(V + 40*mV)/(10*mV))/ms : Hz
b_m = 4*exp(-(V + 65*mV)/(18*mV))/ms : Hz
a_h = 0.07*exp(-(V + 65*mV)/(20*mV))/ms : Hz
b_h = 1/(1 + exp(-(V + 35*mV)/(10*mV)))/ms : Hz
a_n = 0.1/exprel(-(V + 55*mV)/(10*mV))/ms : Hz
b_n = 0.125*exp(-(V + 65*mV)/(80*mV))/ms : Hz
"""

ROTHMAN_MANIS = """
dV/dt = (g_l*(E_l - V) + g_na*m**3*h*(E_na - V) + g_ht*(0.85*n**2 + 0.15*p)*(E_k - V) + g_lt*w**4*z*(E_k - V) + I) / C : volt
dm/dt = q*(1/(1 + exp(-(V + 38*mV)/(7*mV))) - m)/(10/(5*exp((V + 60*mV)/(18*mV)) + 36*exp(-(V + 60*mV)/(25*mV))) + 0.04)/ms : 1
dh/dt = q*(1/(1 + exp((V + 65*mV)/(6*mV))) - h)/(100/(7*exp((V + 60*mV)/(11*mV)) + 10*exp(-(V + 60*mV)/(25*mV))) + 0.6)/ms : 1
dn/dt = q*(1/sqrt(1 + exp(-(V + 15*mV)/(5*mV))) - n)/(100/(11*exp((V + 60*mV)/(24*mV)) + 21*exp(-(V + 60*mV)/(23*mV))) + 0.7)/ms : 1
dp/dt = q*(1/(1 + exp(-(V + 23*mV)/(6*mV))) - p)/(100/(4*exp((V + 60*mV)/(32*mV)) + 5*exp(-(V + 60*mV)/(22*mV))) + 5)/ms : 1
dw/dt = q*((1 + exp(-(V + 48*mV)/(6*mV)))**(-0.25) - w)/(100/(6*exp((V + 60*mV)/(6*mV)) + 16*exp(-(V + 60*mV)/(45*mV))) + 1.5)/ms : 1
dz/dt = q*(0.5 + 0.5/(1 + exp((V + 71*mV)/(10*mV))) - z)/(1000/(exp((V + 60*mV)/(20*mV)) + exp(-(V + 60*mV)/(8*mV))) + 50)/ms : 1
"""

ADEX = """
dV/dt = (g_l*(E_l - V) + g_l*D*exp((V - V_t)/D) - w + I) / C : volt
dw/dt = (a*(V - E_l) - w) / tau_w : amp
"""

T_CURRENT = """
dV/dt = (g_l*(E_l - V) + g_t*m**2*h*(E_ca - V) + g_na*mn**3*hn*(E_na - V) + g_k*nn**4*(E_k - V) + I) / C : volt
dm/dt = (1/(1 + exp(-(V + 57*mV)/(6.2*mV))) - m)/(0.6 + 1/(exp(-(V + 132*mV)/(16.7*mV)) + exp((V + 16.8*mV)/(18.2*mV))))*3/ms : 1
dh/dt = (1/(1 + exp((V + 81*mV)/(4*mV))) - h)/(8 + 60/(1 + exp((V + 80*mV)/(4*mV))))/ms : 1
dmn/dt = am*(1 - mn) - bm*mn : 1
dhn/dt = ah*(1 - hn) - bh*hn : 1
dnn/dt = an*(1 - nn) - bn*nn : 1
am = 1.28/exprel((13*mV - V + V_s)/(4*mV))/ms : Hz
bm = 1.4/exprel((V - V_s - 40*mV)/(5*mV))/ms : Hz
ah = 0.128*exp((17*mV - V + V_s)/(18*mV))/ms : Hz
bh = 4/(1 + exp((40*mV - V + V_s)/(5*mV)))/ms : Hz
an = 0.16/exprel((15*mV - V + V_s)/(5*mV))/ms : Hz
bn = 0.5*exp((10*mV - V + V_s)/(40*mV))/ms : Hz
"""

NAUD = {  # Naud et al. 2008, table 1: C, g_l, E_l, D, a, tau_w, b, V_r, current
    "C": [200, 200, 130, 200, 200],
    "g_l": [10, 12, 18, 10, 12],
    "E_l": [-70, -70, -58, -58, -70],
    "D": [2, 2, 2, 2, 2],
    "a": [2, 2, 4, 2, -10],
    "tau_w": [30, 300, 150, 120, 300],
    "b": [0, 60, 120, 100, 0],
    "V_r": [-58, -58, -50, -46, -58],
}
UNITS = {"C": "pF", "g_l": "nS", "E_l": "mV", "D": "mV", "a": "nS", "tau_w": "ms", "b": "pA", "V_r": "mV"}


def random_network(excitation, inhibition, pairs=2000, n=400):
    """Who is wired to whom: 4 of 5 neurons excite."""
    rng = np.random.default_rng(12)
    pre, post = np.unravel_index(np.sort(rng.choice(n * n, pairs * 4, replace=False)), (n, n))
    excites = pre < n * 4 // 5
    return [
        {**excitation, "pre": pre[excites].tolist(), "post": post[excites].tolist()},
        {**inhibition, "pre": pre[~excites].tolist(), "post": post[~excites].tolist()},
    ]


def synapse(equations, on_pre, delay, **parameters):
    return {"equations": equations, "on_pre": on_pre, "delay": delay, "parameters": parameters}


def spread(low, high, n, seed):
    return np.random.default_rng(seed).uniform(low, high, n).round(3).tolist()


KICK = synapse("", "V_post += {w}", 0.0)

EXAMPLES = {
    "if_curve": {
        "of": "the LIF cell's f–I curve",
        "equations": "dV/dt = (V_0 - V) / tau : volt (unless refractory)",
        "threshold": "V > 10*mV",
        "reset": "V = 0*mV",
        "refractory": 5.0,
        "parameters": {"tau": "10 ms"},
        "each": {"V_0": ("mV", np.linspace(0, 20, 12).tolist())},
        "initial": {"V": "0*mV"},
        "dt": 0.1,
        "duration": 500.0,
        "method": "exact",
    },
    "hodgkin_huxley": {
        "of": "Hodgkin & Huxley 1952",
        "equations": HODGKIN_HUXLEY,
        "threshold": "V > -20*mV",
        "initial": {"V": "-65*mV", "m": "0.05", "h": "0.6", "n": "0.32"},
        "parameters": {
            "C": "200 pF",
            "g_l": "60 nS",
            "g_na": "24000 nS",
            "g_k": "7200 nS",
            "E_l": "-54.4 mV",
            "E_na": "50 mV",
            "E_k": "-77 mV",
        },
        "current": (3000 * RAMP).tolist(),
        "dt": 0.02,
        "duration": 100.0,
        "method": "rk4",
    },
    "rothman_manis": {
        "of": "Rothman & Manis 2003: types I-c and II",
        "equations": ROTHMAN_MANIS,
        "threshold": "V > -20*mV",
        "initial": {"V": "-64*mV", "m": "0.02", "h": "0.45", "n": "0.01", "p": "0.001", "w": "0.5", "z": "0.7"},
        "parameters": {"C": "12 pF", "g_l": "2 nS", "g_na": "1000 nS", "E_l": "-65 mV", "E_na": "55 mV", "E_k": "-70 mV", "q": "3.03"},
        "each": {"g_ht": ("nS", [150.0] * 6), "g_lt": ("nS", [0.0] * 3 + [200.0] * 3)},
        "current": [50.0, 100.0, 150.0, 200.0, 400.0, 600.0],
        "dt": 0.01,
        "duration": 60.0,
        "method": "rk4",
    },
    "touboul_brette": {
        "of": "Touboul & Brette 2008: the reset decides between spiking, bursts and chaos",
        "equations": ADEX,
        "threshold": "V > -40*mV",
        "reset": "V = V_r; w += b",
        "initial": {"V": "E_l", "w": "0*pA"},
        "parameters": {
            "C": "281 pF",
            "g_l": "30 nS",
            "E_l": "-70.6 mV",
            "V_t": "-50.4 mV",
            "D": "2 mV",
            "tau_w": "40 ms",
            "a": "4 nS",
            "b": "80 pA",
        },
        "each": {"V_r": ("mV", np.linspace(-50, -47, 8).tolist())},
        "current": [800.0] * 8,
        "dt": 0.02,
        "duration": 300.0,
        "method": "rk4",
    },
    "platkiewicz_brette": {
        "of": "Platkiewicz & Brette 2011: the threshold follows the potential",
        "equations": "dV/dt = (E_l - V + R*I) / tau : volt\ndth/dt = (V_t + k_a*log(1 + exp((V - V_i)/k_i)) - th) / tau_th : volt",
        "threshold": "V > th",
        "reset": "V = E_l; th += 2*mV",
        "initial": {"V": "E_l", "th": "V_t"},
        "parameters": {
            "E_l": "-70 mV",
            "R": "100 Mohm",
            "tau": "10 ms",
            "V_t": "-58 mV",
            "k_a": "5 mV",
            "k_i": "5 mV",
            "V_i": "-63 mV",
            "tau_th": "7 ms",
        },
        "current": (600 * RAMP).tolist(),
        "dt": 0.05,
        "duration": 200.0,
        "method": "rk4",
    },
    "naud": {
        "of": "Naud et al. 2008: five firing patterns",
        "equations": ADEX,
        "threshold": "V > -40*mV",
        "reset": "V = V_r; w += b",
        "initial": {"V": "E_l", "w": "0*pA"},
        "parameters": {"V_t": "-50 mV"},
        "each": {name: (UNITS[name], values) for name, values in NAUD.items()},
        "current": [500.0, 500.0, 400.0, 210.0, 300.0],
        "dt": 0.02,
        "duration": 300.0,
        "method": "rk4",
    },
    "thalamic_rebound": {
        "of": "Destexhe et al. 1998: the T current of a thalamic relay cell, in one compartment",
        "equations": T_CURRENT,
        "threshold": "V > -20*mV",
        "initial": {"V": "-74*mV", "m": "0.05", "h": "0.2", "mn": "0", "hn": "1", "nn": "0"},
        "parameters": {
            "C": "200 pF",
            "g_l": "8 nS",
            "E_l": "-70 mV",
            "g_t": "600 nS",
            "E_ca": "120 mV",
            "g_na": "20000 nS",
            "E_na": "50 mV",
            "g_k": "6000 nS",
            "E_k": "-100 mV",
            "V_s": "-52 mV",
        },
        "current": (300 * RAMP).tolist(),
        "dt": 0.02,
        "duration": 100.0,
        "method": "rk4",
    },
    "brette_guigon": {
        "of": "Brette & Guigon 2003: one fluctuating input makes cells of any start alike",
        "equations": "dV/dt = (-V + 1.1 + 0.4*sin(2*pi*13*Hz*t) + 0.3*sin(2*pi*29*Hz*t + 1) + 0.2*sin(2*pi*71*Hz*t + 2)) / tau : 1",
        "threshold": "V > 1",
        "reset": "V = 0",
        "parameters": {"tau": "20 ms"},
        "start": {"V": spread(0, 1, 25, 1)},
        "dt": 0.1,
        "duration": 500.0,
        "method": "rk4",
        "n": 25,
    },
    "jeffress": {
        "of": "Jeffress 1948: two ears, delays, and cells that wait for coincidences",
        "dt": 0.02,
        "duration": 200.0,
        "method": "rk4",
        "n": 22,
        "equations": "dV/dt = (-V + ear*(0.9 + 0.9*sin(2*pi*500*Hz*t + phase))) / tau : 1 (unless refractory)",
        "threshold": "V > 1",
        "reset": "V = 0",
        "refractory": 1.5,
        "parameters": {"tau": "1 ms"},
        "each": {"ear": ("1", [1.0, 1.0] + [0.0] * 20), "phase": ("1", [0.0, 0.9] + [0.0] * 20)},
        "initial": {"V": "0"},
        "wires": [
            KICK | {"w": 0.58, "pre": [0] * 20, "post": list(range(2, 22)), "delay": (np.arange(20) * 0.1).round(2).tolist()},
            KICK | {"w": 0.58, "pre": [1] * 20, "post": list(range(2, 22)), "delay": (np.arange(20)[::-1] * 0.1).round(2).tolist()},
        ],
    },
    "licklider": {
        "of": "Licklider 1962: pitch by delays of a cell's own spikes",
        "dt": 0.005,
        "duration": 100.0,
        "method": "rk4",
        "n": 31,
        "equations": "dV/dt = (-V + ear*(1 + 0.8*sin(2*pi*f*t))) / tau : 1 (unless refractory)",
        "threshold": "V > 1",
        "reset": "V = 0",
        "refractory": 0.8,
        "parameters": {"tau": "1 ms", "f": "250 Hz"},
        "each": {"ear": ("1", [1.0] + [0.0] * 30)},
        "initial": {"V": "0"},
        "wires": [
            KICK | {"w": 0.621, "pre": [0] * 30, "post": list(range(1, 31)), "delay": 0.0},
            KICK | {"w": 0.621, "pre": [0] * 30, "post": list(range(1, 31)), "delay": (2.0 + np.arange(30) * 0.1).round(2).tolist()},
        ],
    },
    "sturzl": {
        "of": "Stürzl, Kempter & van Hemmen 2000: a scorpion's eight legs hear a wave, and inhibit those across",
        "dt": 0.05,
        "duration": 300.0,
        "method": "rk4",
        "n": 16,
        "equations": "dV/dt = (-V + leg*(1.2 + 1.5*sin(2*pi*100*Hz*t + phase))) / tau : 1 (unless refractory)",
        "threshold": "V > 1",
        "reset": "V = 0",
        "refractory": 1.0,
        "parameters": {"tau": "5 ms"},
        "initial": {"V": "0"},
        "each": {
            "leg": ("1", [1.0] * 8 + [0.0] * 8),
            "phase": ("1", (1.2 * np.cos(np.linspace(0.3, 2 * np.pi + 0.3, 9)[:8])).round(4).tolist() + [0.0] * 8),
        },
        "wires": [
            KICK
            | {
                "w": 0.7,
                "pre": [i for i in range(8) for _ in range(2)],
                "post": [8 + (i + d) % 8 for i in range(8) for d in (0, 1)],
                "delay": 0.7,
            },
            KICK
            | {
                "w": -1.0,
                "pre": [i for i in range(8) for _ in range(3)],
                "post": [8 + (i + d) % 8 for i in range(8) for d in (3, 4, 5)],
                "delay": 1.4,
            },
        ],
    },
    "diesmann": {
        "of": "Diesmann, Gewaltig & Aertsen 1999: a packet of spikes passes five groups",
        "dt": 0.1,
        "duration": 60.0,
        "method": "exact",
        "n": 300,
        "current": [150.0] * 300,
        "equations": "dV/dt = (E - V)/tau + I/C : volt (unless refractory)",
        "threshold": "V > -55*mV",
        "reset": "V = E",
        "refractory": 1.0,
        "parameters": {"E": "-70 mV", "tau": "10 ms", "C": "250 pF"},
        "start": {"V": [-54.9] * 50 + spread(-66, -62, 250, 3)},
        "unit": "mV",
        "wires": [
            synapse("dx/dt = (-x + y)/tp : amp\ndy/dt = -y/tp : amp", "y += {w}*pA", 5.0, tp="0.3 ms")
            | {
                "current": "x",
                "w": 320.0,
                "pre": [50 * g + i for g in range(5) for i in range(50) for _ in range(50)],
                "post": [50 * (g + 1) + j for g in range(5) for _ in range(50) for j in range(50)],
            },
        ],
    },
    "cuba": {
        "of": "Vogels & Abbott 2005, Brette et al. 2007: currents",
        "dt": 0.1,
        "duration": 300.0,
        "method": "exact",
        "n": 400,
        "current": [220.0] * 400,
        "equations": "dV/dt = (E - V)/tau + I/C : volt (unless refractory)",
        "threshold": "V > -50*mV",
        "reset": "V = -60*mV",
        "refractory": 5.0,
        "parameters": {"E": "-60 mV", "tau": "20 ms", "C": "200 pF"},
        "start": {"V": spread(-60, -50, 400, 5)},
        "unit": "mV",
        "wires": random_network(
            synapse("dg/dt = -g/tg : amp", "g += {w}*pA", 0.5, tg="5 ms") | {"current": "g", "w": 16.2},
            synapse("dh/dt = -h/th : amp", "h += {w}*pA", 0.5, th="10 ms") | {"current": "h", "w": -90.0},
        ),
    },
    "coba": {
        "of": "Vogels & Abbott 2005, Brette et al. 2007: conductances",
        "dt": 0.1,
        "duration": 300.0,
        "method": "euler",
        "n": 400,
        "current": [220.0] * 400,
        "equations": "dV/dt = (E - V)/tau + I/C : volt (unless refractory)",
        "threshold": "V > -50*mV",
        "reset": "V = -60*mV",
        "refractory": 5.0,
        "parameters": {"E": "-60 mV", "tau": "20 ms", "C": "200 pF"},
        "start": {"V": spread(-60, -50, 400, 6)},
        "unit": "mV",
        "wires": random_network(
            synapse("dg/dt = -g/tg : siemens", "g += {w}*nS", 0.5, tg="5 ms", Eg="0 mV") | {"current": "g*(Eg - V)", "w": 0.6},
            synapse("dh/dt = -h/th : siemens", "h += {w}*nS", 0.5, th="10 ms", Eh="-80 mV") | {"current": "h*(Eh - V)", "w": 6.7},
        ),
    },
}


def size(model):
    lists = [values for _, values in model.get("each", {}).values()] + [model[key] for key in ("current",) if key in model]
    return model.get("n") or len(lists[0])


def in_brian2(model):
    """The spikes of a model, `[step, neuron]`, and how long it took to build and to run."""
    import brian2 as b

    b.prefs.codegen.target = "numpy"
    b.start_scope()
    b.defaultclock.dt = model["dt"] * b.ms
    began = time.perf_counter()
    value = lambda text: float(text) if " " not in text else float(text.split()[0]) * getattr(b, text.split()[1], None)
    names = {key: value(text) for key, text in model.get("parameters", {}).items()}
    lines, wires = [model["equations"]], model.get("wires", [])
    for wire in wires:
        names |= {key: value(text) for key, text in wire["parameters"].items()}
        lines.append(wire["equations"])
    synaptic = [wire["current"] for wire in wires if "current" in wire]
    if "current" in model:
        lines.append(f"I_0 : amp\nI = {' + '.join(['I_0', *synaptic])} : amp")
    bases = {"mV": "volt", "nS": "siemens", "pA": "amp", "pF": "farad", "ms": "second", "1": "1"}
    lines += [f"{name} : {bases[unit]} (constant)" for name, (unit, _) in model.get("each", {}).items()]
    refractory = (model["refractory"] + model["dt"]) * b.ms if "refractory" in model else False
    if "reset" not in model:
        refractory = model["threshold"]
    cells = b.NeuronGroup(
        size(model),
        "\n".join(lines),
        threshold=model["threshold"],
        reset=model.get("reset", ""),
        refractory=refractory,
        method=model["method"],
        namespace={**names, **{u: getattr(b, u) for u in ("mV", "ms", "nS", "pA", "Hz")}, "pi": np.pi},
    )
    if "current" in model:
        cells.I_0 = np.array(model["current"]) * b.pA
    for name, (unit, values) in model.get("each", {}).items():
        setattr(cells, name, np.array(values) * (1 if unit == "1" else getattr(b, unit)))
    for name, text in model.get("initial", {}).items():
        setattr(cells, name, text)
    for name, values in model.get("start", {}).items():
        setattr(cells, name, np.array(values) * (getattr(b, model["unit"]) if "unit" in model else 1))
    made = [cells]
    for wire in wires:
        on_pre = wire["on_pre"].format(w=wire["w"])
        if "_post" not in on_pre:
            variable, rest = on_pre.split(" ", 1)
            on_pre = f"{variable}_post {rest}"
        joined = b.Synapses(cells, cells, on_pre=on_pre, namespace={u: getattr(b, u) for u in ("nS", "pA")})
        joined.connect(i=wire["pre"], j=wire["post"])
        joined.delay = np.array(wire["delay"]) * b.ms
        made.append(joined)
    spikes = b.SpikeMonitor(cells)
    net = b.Network(*made, spikes)
    net.run(0 * b.ms)
    built = time.perf_counter()
    net.run(model["duration"] * b.ms)
    ended = time.perf_counter()
    found = sorted([round(float(t)), int(i)] for t, i in zip(spikes.t / b.ms / model["dt"], spikes.i, strict=True))
    return {"spikes": found, "build_s": built - began, "run_s": ended - built}


if __name__ == "__main__":
    chosen = sys.argv[1:] or list(EXAMPLES)
    print(json.dumps({name: in_brian2(EXAMPLES[name]) for name in chosen}))
