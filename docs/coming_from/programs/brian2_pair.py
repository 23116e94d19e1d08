"""Two integrate-and-fire neurons: the first, driven, excites the second."""

from brian2 import NeuronGroup, SpikeMonitor, StateMonitor, Synapses, defaultclock, ms, mV, nS, pA, pF, prefs, run

prefs.codegen.target = "numpy"
defaultclock.dt = 0.1 * ms

C, g, rest = 200 * pF, 10 * nS, -60 * mV
equations = """
dv/dt = (g * (rest - v) + s + I) / C : volt (unless refractory)
ds/dt = -s / (5 * ms) : amp
I : amp
"""
cells = NeuronGroup(2, equations, threshold="v >= -50 * mV", reset="v = rest", refractory=2 * ms, method="exact")
cells.v = rest
cells.I = [500, 0] * pA

synapse = Synapses(cells, cells, on_pre="s_post += 80 * pA", delay=1.5 * ms)
synapse.connect(i=0, j=1)

spikes, trace = SpikeMonitor(cells), StateMonitor(cells, "v", record=[1])
run(60 * ms)

times = spikes.spike_trains()
print("spikes of the first (ms):", (times[0] / ms).round(1).tolist())
print("spikes of the second (ms):", (times[1] / ms).round(1).tolist())
print(f"V of the second at 40 ms: {trace.v[0][400] / mV:.4f} mV")
