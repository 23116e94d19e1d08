"""Models that Brian2's users know, written as text: each runs for a while, and gives its spikes and what its variables are at the end.

`brian2_numbers.py` runs the same equations in Brian2, with the same method and step, and keeps the numbers in `brian2.json`.
"""

import numpy as np

import ranvier as rv

RK4, EXPONENTIAL = rv.RungeKutta4(), rv.ExponentialEuler()
CURRENTS = np.linspace(0.0, 1.0, 6)


def outcome(run, variables, part=None):
    """Spikes (step and neuron), and the last values of some variables."""
    part = part or next(iter(run.network.populations))
    spikes = run[part].spikes
    dt = run.info["dt"]
    order = np.lexsort((spikes.neurons, spikes.times))
    return {
        "steps": np.rint(spikes.times[order] / dt).astype(int).tolist(),
        "neurons": spikes.neurons[order].tolist(),
        **{name: np.asarray(run.state.neurons[part][name], float).tolist() for name in variables},
    }


def leaky():
    """Leaky integrate-and-fire cells of ascending drive."""
    cell = rv.neurons.from_equations(
        "dV/dt = (E - V + R*I) / tau : mV (unless refractory)",
        threshold="V > th",
        reset="V = E",
        refractory="5 ms",
        parameters={"E": "-70 mV", "R": "100 Mohm", "tau": "10 ms", "th": "-50 mV"},
        initial={"V": "E"},
    )
    return outcome(rv.simulate(cell(), current=400.0 * CURRENTS, duration=200.0, dt=0.1), ["V"])


def adaptive_threshold():
    """A threshold that each spike raises, and that falls back."""
    cell = rv.neurons.from_equations(
        """dV/dt = (E - V) / tau + I / C : mV
        dth/dt = (th_rest - th) / tau_th : mV""",
        threshold="V > th",
        reset="V = E; th += 3*mV",
        parameters={"E": "-65 mV", "tau": "10 ms", "C": "100 pF", "th_rest": "-50 mV", "tau_th": "15 ms"},
        initial={"V": "E", "th": "th_rest"},
    )
    return outcome(rv.simulate(cell(), current=300.0 * CURRENTS, duration=200.0, dt=0.1), ["V", "th"])


def adex():
    """Brette & Gerstner 2005."""
    cell = rv.neurons.from_equations(
        """dV/dt = (g_l*(E_l - V) + g_l*D*exp((V - V_t)/D) + I - w) / C : volt
        dw/dt = (a*(V - E_l) - w) / tau_w : amp""",
        threshold="V > V_cut",
        reset="V = V_r; w += b",
        parameters={
            "C": "281 pF",
            "g_l": "30 nS",
            "E_l": "-70.6 mV",
            "V_t": "-50.4 mV",
            "D": "2 mV",
            "V_cut": "-40.4 mV",
            "V_r": "-70.6 mV",
            "tau_w": "144 ms",
            "a": "4 nS",
            "b": "0.0805 nA",
        },
        initial={"V": "E_l"},
    )
    return outcome(rv.simulate(cell(), current=1000.0 * CURRENTS, duration=200.0, dt=0.05, integrator=RK4), ["V", "w"])


def izhikevich():
    """Izhikevich 2003, with its units."""
    cell = rv.neurons.from_equations(
        """dV/dt = (0.04/ms/mV)*V**2 + (5/ms)*V + 140*mV/ms - u + I : mV
        du/dt = a*(b*V - u) : mV/ms""",
        threshold="V >= 30*mV",
        reset="V = c; u += d",
        parameters={"a": "0.02 1/ms", "b": "0.2 1/ms", "c": "-65 mV", "d": "8 mV/ms"},
        initial={"V": "c", "u": "b*c"},
    )
    return outcome(rv.simulate(cell(), current=20.0 * CURRENTS, duration=200.0, dt=0.05, integrator=RK4), ["V", "u"])


def traub_miles():
    """The Hodgkin–Huxley cell of Traub & Miles in Brette et al. 2007: exponential Euler, and no reset."""
    cell = rv.neurons.from_equations(
        """
        dV/dt = (g_l*(E_l - V) + g_Na*m**3*h*(E_Na - V) + g_K*n**4*(E_K - V) + I) / C : mV
        dm/dt = alpha_m*(1 - m) - beta_m*m : 1
        dn/dt = alpha_n*(1 - n) - beta_n*n : 1
        dh/dt = alpha_h*(1 - h) - beta_h*h : 1
        alpha_m = 0.32*4/exprel((13*mV - V + VT)/(4*mV))/ms : 1/ms
        beta_m = 0.28*5/exprel((V - VT - 40*mV)/(5*mV))/ms : 1/ms
        alpha_h = 0.128*exp((17*mV - V + VT)/(18*mV))/ms : 1/ms
        beta_h = 4/(1 + exp((40*mV - V + VT)/(5*mV)))/ms : 1/ms
        alpha_n = 0.032*5/exprel((15*mV - V + VT)/(5*mV))/ms : 1/ms
        beta_n = 0.5*exp((10*mV - V + VT)/(40*mV))/ms : 1/ms
        """,
        threshold="V > -20*mV",
        parameters={
            "C": "200 pF",
            "g_l": "10 nS",
            "E_l": "-60 mV",
            "g_Na": "20000 nS",
            "g_K": "6000 nS",
            "E_Na": "50 mV",
            "E_K": "-90 mV",
            "VT": "-63 mV",
        },
        initial={"V": "E_l"},
    )
    return outcome(rv.simulate(cell(), current=1000.0 * CURRENTS, duration=100.0, dt=0.02, integrator=EXPONENTIAL), ["V", "n"])


def wang_buzsaki():
    """Wang & Buzsáki 1996, whose sodium gate m follows at once."""
    cell = rv.neurons.from_equations(
        """
        dV/dt = (-g_Na*m**3*h*(V - E_Na) - g_K*n**4*(V - E_K) - g_l*(V - E_l) + I) / C : volt
        m = alpha_m / (alpha_m + beta_m) : 1
        alpha_m = 0.1/mV*10*mV/exprel(-(V + 35*mV)/(10*mV))/ms : Hz
        beta_m = 4*exp(-(V + 60*mV)/(18*mV))/ms : Hz
        dh/dt = 5*(alpha_h*(1 - h) - beta_h*h) : 1
        alpha_h = 0.07*exp(-(V + 58*mV)/(20*mV))/ms : Hz
        beta_h = 1/(exp(-0.1/mV*(V + 28*mV)) + 1)/ms : Hz
        dn/dt = 5*(alpha_n*(1 - n) - beta_n*n) : 1
        alpha_n = 0.01/mV*10*mV/exprel(-(V + 34*mV)/(10*mV))/ms : Hz
        beta_n = 0.125*exp(-(V + 44*mV)/(80*mV))/ms : Hz
        """,
        threshold="V > -20*mV",
        parameters={
            "C": "1 uF/cm**2",
            "g_l": "0.1 mS/cm**2",
            "E_l": "-65 mV",
            "g_Na": "35 mS/cm**2",
            "g_K": "9 mS/cm**2",
            "E_Na": "55 mV",
            "E_K": "-90 mV",
        },
        initial={"V": "-70 mV", "h": 1.0},
    )
    return outcome(rv.simulate(cell(), current=5.0 * CURRENTS, duration=200.0, dt=0.02, integrator=RK4), ["V", "h", "n"])


def morris_lecar():
    """Morris & Lecar 1981: hyperbolic functions."""
    cell = rv.neurons.from_equations(
        """
        dV/dt = (g_l*(E_l - V) + g_K*w*(E_K - V) + g_Ca*(1 + tanh((V - V1)/V2))/2*(E_Ca - V) + I) / C : mV
        dw/dt = phi*((1 + tanh((V - V3)/V4))/2 - w)*cosh((V - V3)/(2*V4)) : 1
        """,
        threshold="V > 0*mV",
        parameters={
            "C": "20 uF/cm**2",
            "g_l": "2 mS/cm**2",
            "g_K": "8 mS/cm**2",
            "g_Ca": "4.4 mS/cm**2",
            "E_l": "-60 mV",
            "E_K": "-84 mV",
            "E_Ca": "120 mV",
            "V1": "-1.2 mV",
            "V2": "18 mV",
            "V3": "2 mV",
            "V4": "30 mV",
            "phi": "0.04 kHz",
        },
        initial={"V": "-60 mV", "w": 0.01},
    )
    return outcome(rv.simulate(cell(), current=150.0 * CURRENTS, duration=400.0, dt=0.05, integrator=RK4), ["V", "w"])


def fitzhugh_nagumo():
    """FitzHugh 1961: no units but time's."""
    cell = rv.neurons.from_equations(
        """dV/dt = (V - V**3/3 - w + I) / ms : 1
        dw/dt = 0.08*(V + 0.7 - 0.8*w) / ms : 1""",
        threshold="V > 1",
        initial={"V": -1.2, "w": -0.62},
    )
    return outcome(rv.simulate(cell(), current=CURRENTS, duration=200.0, dt=0.1, integrator=RK4), ["V", "w"])


def hindmarsh_rose():
    """Hindmarsh & Rose 1984: bursts."""
    cell = rv.neurons.from_equations(
        """dV/dt = (y - V**3 + 3*V**2 - z + I) / ms : 1
        dy/dt = (1 - 5*V**2 - y) / ms : 1
        dz/dt = r*(4*(V + 1.6) - z) : 1""",
        threshold="V > 1",
        parameters={"r": "6 Hz"},
        initial={"V": -1.6, "y": -11.8, "z": 1.0},
    )
    return outcome(rv.simulate(cell(), current=4.0 * CURRENTS, duration=500.0, dt=0.05, integrator=RK4), ["V", "z"])


def quadratic():
    """A quadratic integrate-and-fire cell, cut off above."""
    cell = rv.neurons.from_equations(
        "dV/dt = (k*(V - E)*(V - V_c) + I) / C : mV",
        threshold="V > 30*mV",
        reset="V = E + 5*mV",
        parameters={"k": "0.5 nS/mV", "C": "100 pF", "E": "-60 mV", "V_c": "-40 mV"},
        initial={"V": "E"},
    )
    return outcome(rv.simulate(cell(), current=400.0 * CURRENTS, duration=200.0, dt=0.05, integrator=RK4), ["V"])


def phase_locking():
    """A leaky cell under a sine of the time."""
    cell = rv.neurons.from_equations(
        """dV/dt = (-V + a*drive + I) / tau : 1
        drive = 1 + 0.5*sin(2*pi*f*t) : 1""",
        threshold="V > 1",
        reset="V = 0",
        parameters={"a": 0.6, "tau": "20 ms", "f": "10 Hz"},
    )
    return outcome(rv.simulate(cell(), current=CURRENTS, duration=400.0, dt=0.1, integrator=RK4), ["V"])


def spike_frequency_adaptation():
    """A conductance that each spike adds to, and a refractory condition of two parts."""
    cell = rv.neurons.from_equations(
        """dV/dt = (E - V)/tau + (g_a*(E_a - V) + I)/C : mV
        dg_a/dt = -g_a/tau_a : nS""",
        threshold="V > th and g_a < 40*nS",
        reset="V = E; g_a += 5*nS",
        parameters={"E": "-70 mV", "tau": "15 ms", "C": "200 pF", "E_a": "-80 mV", "tau_a": "80 ms", "th": "-54 mV"},
        initial={"V": "E"},
    )
    return outcome(rv.simulate(cell(), current=800.0 * CURRENTS, duration=300.0, dt=0.1, integrator=RK4), ["V", "g_a"])


def driven(n=4):
    """Leaky cells that fire at different rates, and one that listens."""
    cell = rv.neurons.from_equations(
        "dV/dt = (E - V)/tau + I/C : mV (unless refractory)",
        threshold="V > th",
        reset="V = E",
        refractory="3 ms",
        parameters={"E": "-65 mV", "tau": "15 ms", "C": "150 pF", "th": "-50 mV"},
        initial={"V": "E"},
    )
    return rv.Population(n, cell(), current=np.linspace(0.0, 300.0, n), name="cells")


MATRIX = 1.0 - np.eye(4)


def coupled(projections, duration, integrator, variables=("V",)):
    run = rv.simulate(rv.Network(projections[0].source, *projections), duration=duration, dt=0.1, integrator=integrator)
    return outcome(run, variables)


def exponential_conductances():
    """Excitation and inhibition that jump and decay, after a delay: every cell hears every other."""
    cells = driven()
    model = rv.synapses.from_equations("dg/dt = -g/tau : nS\nI = g*(E - V) : pA", on_pre="g += w", parameters={"tau": "5 ms", "E": "0 mV"})
    excitation = rv.Projection(cells, cells, model(), MATRIX, weight=2.0, delay=1.5, name="excitation")
    inhibition = rv.Projection(cells, cells, model(tau=10.0, E=-80.0), MATRIX, weight=3.0, delay=0.5, name="inhibition")
    return coupled([excitation, inhibition], 200.0, rv.Euler())


def kicks():
    """Spikes that move the potential at once."""
    cells = driven()
    model = rv.synapses.from_equations(on_pre="V_post += w")
    return coupled([rv.Projection(cells, cells, model(), MATRIX, weight=0.8, delay=2.0)], 200.0, rv.ExactLinear())


def saturating_gates():
    """A gate one source, which saturates, and whose current depends on the target's potential."""
    cells = driven()
    model = rv.synapses.from_equations(
        """ds/dt = -s/decay + alpha*x*(1 - s) : 1 (clock-driven)
        dx/dt = -x/rise : 1 (clock-driven)
        I_post = w*s*(E - V_post)/(1 + exp(-0.062*V_post/mV)/3.57) : amp (summed)""",
        on_pre="x += 1",
        parameters={"decay": "100 ms", "alpha": "0.5 kHz", "rise": "2 ms", "E": "0 mV"},
    )
    return coupled([rv.Projection(cells, cells, model(), MATRIX, weight=1.5)], 300.0, rv.Euler())


def electrical():
    """Cells that share current."""
    cells = driven()
    model = rv.synapses.from_equations("I = w*(V_pre - V_post) : pA")
    return coupled([rv.Projection(cells, cells, model(), MATRIX, weight=0.7)], 300.0, rv.Euler())


MODELS = {
    f.__name__: f
    for f in (
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
}
