"""COBA, CUBA and COBAHH (Brette et al. 2007), and two networks that learn, in Brian2.

Its C++ standalone mode, with the compiler options it has by default.

Every run is the whole compiled program from its initial state; the time a step
is that of the simulation loop alone, as Brian2 measures it: processor time on
one thread, the clock on the wall on several. In-degree 80, whatever the number
of neurons.

    python brian2_networks.py coba 4000 --precision double --duration 1000
"""

import argparse
import subprocess
import sys
import tempfile
import time

import brian2 as b
import learning
import numpy as np
from worker import serve

IN_DEGREE = 80
INTEGRATE_AND_FIRE = {"threshold": "v > -50*mV", "reset": "v = -60*mV", "refractory": 5 * b.ms}
RANDOM_START = {"v": "-60*mV + (5*randn() - 5)*mV", "ge": "10*(1.5*randn() + 4)*nS", "gi": "10*(12*randn() + 20)*nS"}

CUBA = """
dv/dt = (ge + gi - (v + 49*mV)) / (20*ms) : volt (unless refractory)
dge/dt = -ge / (5*ms) : volt
dgi/dt = -gi / (10*ms) : volt
"""

COBA = """
dv/dt = (10*nS*(-60*mV - v) - ge*v + gi*(-80*mV - v)) / (200*pF) : volt (unless refractory)
dge/dt = -ge / (5*ms) : siemens
dgi/dt = -gi / (10*ms) : siemens
"""

COBAHH = """
dv/dt = (10*nS*(-60*mV - v) - ge*v + gi*(-80*mV - v) - 20*usiemens*m**3*h*(v - 50*mV) - 6*usiemens*n**4*(v + 90*mV)) / (200*pF) : volt
dm/dt = alpha_m*(1 - m) - beta_m*m : 1
dh/dt = alpha_h*(1 - h) - beta_h*h : 1
dn/dt = alpha_n*(1 - n) - beta_n*n : 1
dge/dt = -ge / (5*ms) : siemens
dgi/dt = -gi / (10*ms) : siemens
u = v + 63*mV : volt
alpha_m = 0.32*4/exprel((13*mV - u)/(4*mV))/ms : Hz
beta_m = 0.28*5/exprel((u - 40*mV)/(5*mV))/ms : Hz
alpha_h = 0.128*exp((17*mV - u)/(18*mV))/ms : Hz
beta_h = 4/(1 + exp((40*mV - u)/(5*mV)))/ms : Hz
alpha_n = 0.032*5/exprel((15*mV - u)/(5*mV))/ms : Hz
beta_n = 0.5*exp((10*mV - u)/(40*mV))/ms : Hz
"""

# The form of Brian2's own documentation: traces an edge, brought up to date at its events.
PAIR = """
w : 1
dx/dt = -x / (tau_plus*ms) : 1 (event-driven)
dy/dt = -y / (tau_minus*ms) : 1 (event-driven)
"""
PAIR_PRE = "v_post += w; w = clip(w - high*depression*y, 0, high); x += 1"
PAIR_POST = "w = clip(w + high*potentiation*x, 0, high); y += 1"

TRIPLET = """
w : 1
dr1/dt = -r1 / (tau_plus*ms) : 1 (event-driven)
dr2/dt = -r2 / (tau_x*ms) : 1 (event-driven)
do1/dt = -o1 / (tau_minus*ms) : 1 (event-driven)
do2/dt = -o2 / (tau_y*ms) : 1 (event-driven)
"""
TRIPLET_PRE = "v_post += w; w = clip(w - high*o1*(pair_depression + triplet_depression*r2), 0, high); r1 += 1; r2 += 1"
TRIPLET_POST = "w = clip(w + high*r1*(pair_potentiation + triplet_potentiation*o2), 0, high); o1 += 1; o2 += 1"

VOGELS = """
dv/dt = (leak*nS*(rest*mV - v) - ge*v + gi*(inhibition*mV - v) + current*pA) / (C*pF) : volt (unless refractory)
dge/dt = -ge / (tau_e*ms) : siemens
dgi/dt = -gi / (tau_i*ms) : siemens
"""
VOGELS_PRE = "gi_post += w*nS; w = clip(w + rate*(y - 2*target*Hz*tau_stdp*ms), 0, 100); x += 1"
VOGELS_POST = "w = clip(w + rate*x, 0, 100); y += 1"

# equations, integration method, spikes, initial values, weights
MODELS = {
    "cuba": (CUBA, "exact", INTEGRATE_AND_FIRE, {"v": "-60*mV + 10*mV*rand()"}, ("1.62*mV", "-9*mV")),
    "coba": (COBA, "exponential_euler", INTEGRATE_AND_FIRE, RANDOM_START, ("6*nS", "67*nS")),
    "cobahh": (COBAHH, "exponential_euler", {"threshold": "v > -20*mV", "refractory": 3 * b.ms}, RANDOM_START, ("6*nS", "67*nS")),
}

PEAK = """
import resource, subprocess
subprocess.run("./main", check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def network(model: str, n: int) -> tuple:
    """The neurons, the synapses and the spikes."""
    equations, method, spikes, start, weights = MODELS[model]
    cells = b.NeuronGroup(n, equations, method=method, **spikes)
    for variable, value in start.items():
        setattr(cells, variable, value)
    excitatory = int(0.8 * n)
    synapses = []
    for some, variable, weight in ((cells[:excitatory], "ge", weights[0]), (cells[excitatory:], "gi", weights[1])):
        synapses.append(b.Synapses(some, cells, on_pre=f"{variable} += {weight}"))
        synapses[-1].connect(p=IN_DEGREE / n)
    return cells, *synapses, b.SpikeMonitor(cells)


def learning_brunel(n: int, rule: str) -> tuple:
    """Brunel's network whose excitatory neurons learn among each other; see `learning.py`."""
    how = learning.brunel(n)
    cells = b.NeuronGroup(
        n,
        f"dv/dt = -v / ({learning.TAU}*ms) : 1 (unless refractory)",
        method="exact",
        threshold=f"v > {learning.THRESHOLD}",
        reset=f"v = {learning.RESET}",
        refractory=learning.REFRACTORY * b.ms,
    )
    cells.v = f"{learning.THRESHOLD}*rand()"
    exc, inh = cells[: how.n_e], cells[how.n_e :]
    model, pre, post = (PAIR, PAIR_PRE, PAIR_POST) if rule == "pair" else (TRIPLET, TRIPLET_PRE, TRIPLET_POST)
    numbers = {**(learning.PAIR if rule == "pair" else learning.TRIPLET), "high": how.high}
    among = {"delay": learning.DELAY * b.ms}
    plastic = b.Synapses(exc, exc, model, on_pre=pre, on_post=post, namespace=numbers, **among)
    plastic.connect(p=how.c_e / how.n_e)
    plastic.w = how.weight
    forth = b.Synapses(exc, inh, on_pre=f"v_post += {how.weight}", **among)
    forth.connect(p=how.c_e / how.n_e)
    back = b.Synapses(inh, cells, on_pre=f"v_post -= {learning.G * how.weight}", **among)
    back.connect(p=how.c_i / how.n_i)
    drive = b.PoissonInput(cells, "v", how.c_e, how.drive / how.c_e * b.Hz, how.weight)
    return cells, plastic, forth, back, drive, b.SpikeMonitor(cells)


def vogels(n: int, rule: str) -> tuple:
    """Inhibition that learns; see `learning.py`."""
    numbers = {
        **learning.VOGELS,
        "inhibition": learning.VOGELS_INHIBITION,
        "tau_e": learning.VOGELS_TAU_E,
        "tau_i": learning.VOGELS_TAU_I,
        "rate": learning.LEARNING_RATE,
        "target": learning.TARGET_RATE,
        "tau_stdp": learning.TAU_STDP,
    }
    cells = b.NeuronGroup(
        n,
        VOGELS,
        method="exponential_euler",
        threshold="v > threshold*mV",
        reset="v = rest*mV",
        refractory=learning.VOGELS["refractory"] * b.ms,
        namespace=numbers,
    )
    cells.v = "rest*mV + (threshold - rest)*mV*rand()"
    exc, inh = cells[: n * 4 // 5], cells[n * 4 // 5 :]
    model = PAIR.replace("tau_plus", "tau_stdp").replace("tau_minus", "tau_stdp")
    synapses = (
        b.Synapses(exc, cells, on_pre=f"ge_post += {learning.VOGELS_EXCITATORY}*nS"),
        b.Synapses(inh, inh, on_pre=f"gi_post += {learning.VOGELS_INHIBITORY}*nS"),
        b.Synapses(inh, exc, model, on_pre=VOGELS_PRE, on_post=VOGELS_POST, namespace=numbers),
    )
    for some in synapses:
        some.connect(p=learning.VOGELS_CONNECTED)
    return cells, *synapses, b.SpikeMonitor(cells)


LEARNING = {"learning": learning_brunel, "vogels": vogels}


def build(options: argparse.Namespace, folder: str) -> tuple:
    if options.precision == "single":
        b.prefs.core.default_float_dtype = np.float32
    b.prefs.devices.cpp_standalone.openmp_threads = options.threads if options.threads > 1 else 0
    b.set_device("cpp_standalone", directory=folder, build_on_run=False)
    b.defaultclock.dt = options.dt * b.ms
    parts = LEARNING[options.model](options.neurons, options.rule) if options.model in LEARNING else network(options.model, options.neurons)
    net, spikes = b.Network(*parts), parts[-1]
    net.run(options.duration * b.ms)
    began = time.perf_counter()
    b.device.build(run=False, compile=True, directory=folder)
    facts = {"compile_seconds": time.perf_counter() - began, "peak_mebibytes": peak(folder)}
    return facts, lambda: once(options, folder, spikes)


def peak(folder: str) -> float:
    told = subprocess.run([sys.executable, "-c", PEAK], cwd=folder, check=True, capture_output=True, text=True)
    return int(told.stdout.split()[-1]) / 2**10


def once(options: argparse.Namespace, folder: str, spikes: b.SpikeMonitor) -> dict:
    began = time.perf_counter()
    b.device.run(directory=folder, with_output=False, run_args=[])
    whole, loop = time.perf_counter() - began, b.device._last_run_time
    late = np.asarray(spikes.t / b.ms) >= options.discard
    return {
        "microseconds_a_step": loop * 1e6 / round(options.duration / options.dt),
        "rate_hz": float(late.sum() / options.neurons / (options.duration - options.discard) * 1000),
        "build_seconds": whole - loop,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=[*MODELS, *LEARNING])
    parser.add_argument("neurons", type=int)
    parser.add_argument("--rule", choices=("pair", "triplet"), default="pair", help="by which Brunel's network learns")
    parser.add_argument("--precision", choices=("double", "single"), default="double")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--duration", type=float, default=1000.0, help="ms")
    parser.add_argument("--discard", type=float, default=0.0, help="ms at the start that the rate leaves out")
    parser.add_argument("--dt", type=float, default=0.1, help="ms")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        serve(lambda: build(options, folder))


if __name__ == "__main__":
    main()
