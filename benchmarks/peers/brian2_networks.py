"""COBA, CUBA and COBAHH (Brette et al. 2007) in Brian2's C++ standalone mode, with the compiler options it has by default.

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


def build(options: argparse.Namespace, folder: str) -> tuple:
    if options.precision == "single":
        b.prefs.core.default_float_dtype = np.float32
    b.prefs.devices.cpp_standalone.openmp_threads = options.threads if options.threads > 1 else 0
    b.set_device("cpp_standalone", directory=folder, build_on_run=False)
    b.defaultclock.dt = options.dt * b.ms
    parts = network(options.model, options.neurons)
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
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("neurons", type=int)
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
