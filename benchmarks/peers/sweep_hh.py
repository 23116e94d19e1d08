"""1 000 Hodgkin–Huxley cells with a current each, by one peer: `python benchmarks/peers/sweep_hh.py jaxley 1000 100`.

The same equations, constants and step as Ranvier's. Prints one line of JSON: the seconds of the clock and of the processor, its
children's included, that one warm run of all cells takes, said for 1 s, and the cells' mean rate. Brian2's standalone program, compiled
once, runs once a cell with `run_args`; it runs some of the cells, and is said for all.
"""

import json
import resource
import sys
import time

import numpy as np

DT = 0.02  # ms
AREA = 2 * np.pi * 1e-4 * 10e-4  # cm², of Jaxley's compartment as it comes


def processor():
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def crossings(v):
    """Of traces, steps first."""
    return int(((v[1:] >= 0) & (v[:-1] < 0)).sum())


def jaxley(currents, duration):
    import jax
    import jax.numpy as jnp
    import jaxley as jx
    from jaxley.channels import HH

    jax.config.update("jax_enable_x64", True)
    cell = jx.Cell(jx.Branch(jx.Compartment(), ncomp=1), parents=[-1])
    cell.insert(HH())
    cell.record("v", verbose=False)
    steps = round(duration / DT)

    def one(current):
        given = cell.data_stimulate(jnp.full(steps, current * AREA * 1e3))  # nA
        return jx.integrate(cell, data_stimuli=given, delta_t=DT)[0]

    run = jax.jit(jax.vmap(one))
    return lambda: (crossings(np.asarray(run(currents)).T), len(currents))


def brainpy(currents, duration):
    import brainpy as bp
    import brainpy.math as bm

    bm.set_platform("cpu")
    bm.enable_x64()
    bm.set_dt(DT)
    make = getattr(bp, "neurons", None)
    make = make.HH if make is not None else bp.dyn.HH
    neurons = make(len(currents), ENa=50.0, gNa=120.0, EK=-77.0, gK=36.0, EL=-54.387, gL=0.3, V_th=0.0, C=1.0, method="exp_auto")
    runner = bp.DSRunner(neurons, inputs=("input", currents), monitors=["spike"], progress_bar=False)

    def once():
        runner.run(duration)
        return int(np.asarray(runner.mon["spike"]).sum()), len(currents)

    return once


def brian2(currents, duration, some=20):
    import tempfile

    import brian2 as b2

    b2.set_device("cpp_standalone", build_on_run=False)
    b2.defaultclock.dt = DT * b2.ms
    b2.prefs.devices.cpp_standalone.openmp_threads = 0
    equations = """
    dv/dt = (I - 120*m**3*h*(v - 50) - 36*n**4*(v + 77) - 0.3*(v + 54.387))/ms : 1
    dm/dt = (1/exprel(-(v + 40)/10)*(1 - m) - 4*exp(-(v + 65)/18)*m)/ms : 1
    dh/dt = (0.07*exp(-(v + 65)/20)*(1 - h) - 1/(1 + exp(-(v + 35)/10))*h)/ms : 1
    dn/dt = (0.1/exprel(-(v + 55)/10)*(1 - n) - 0.125*exp(-(v + 65)/80)*n)/ms : 1
    I : 1 (constant)
    """
    group = b2.NeuronGroup(1, equations, threshold="v > 0", refractory="v > 0", method="exponential_euler")
    group.v, group.m, group.h, group.n = -65.0, 0.0529, 0.5961, 0.3177
    spikes = b2.SpikeMonitor(group)
    b2.run(duration * b2.ms)
    b2.device.build(run=False, directory=tempfile.mkdtemp())
    chosen = currents[:: max(1, len(currents) // some)]

    def once():
        count = 0
        for current in chosen:
            b2.device.run(run_args={group.I: float(current)})
            count += int(spikes.num_spikes)
        return count, len(chosen)

    return once


def main():
    name, cells, duration = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    once = {"jaxley": jaxley, "brainpy": brainpy, "brian2": brian2}[name](np.linspace(5.0, 20.0, cells), duration)
    once()
    began, before = time.perf_counter(), processor()
    spikes, ran = once()
    share = cells / ran * 1000.0 / duration
    result = {"seconds": (time.perf_counter() - began) * share, "processor": (processor() - before) * share}
    print(json.dumps({**result, "cells": cells, "cells run": ran, "duration": duration, "rate": spikes / ran / duration * 1000.0}))


if __name__ == "__main__":
    main()
