"""Two integrate-and-fire neurons: the first, driven, excites the second."""

import pyNN.nest as sim

sim.setup(timestep=0.1, min_delay=0.1)
common = {"cm": 0.2, "tau_m": 20.0, "v_rest": -60.0, "v_thresh": -50.0, "v_reset": -60.0, "tau_refrac": 2.0, "tau_syn_E": 5.0}
first = sim.Population(1, sim.IF_curr_exp(i_offset=0.5, **common), initial_values={"v": -60.0})
second = sim.Population(1, sim.IF_curr_exp(**common), initial_values={"v": -60.0})
sim.Projection(first, second, sim.AllToAllConnector(), sim.StaticSynapse(weight=0.08, delay=1.5))
first.record("spikes")
second.record(["spikes", "v"])
sim.run(60.0)
for name, population in (("first", first), ("second", second)):
    train = population.get_data().segments[0].spiketrains[0]
    print(f"spikes of the {name} (ms):", [round(float(t), 1) for t in train])
v = second.get_data().segments[0].analogsignals[0]
print(f"V of the second at 40 ms: {float(v[400, 0]):.4f} mV")
