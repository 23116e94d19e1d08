"""Two integrate-and-fire neurons: the first, driven, excites the second."""

import nest

nest.verbosity = nest.VerbosityLevel.ERROR if hasattr(nest, "VerbosityLevel") else 30
nest.ResetKernel()
nest.resolution = 0.1

common = {"C_m": 200.0, "tau_m": 20.0, "E_L": -60.0, "V_th": -50.0, "V_reset": -60.0, "V_m": -60.0, "t_ref": 2.0, "tau_syn_ex": 5.0}
first = nest.Create("iaf_psc_exp", params={**common, "I_e": 500.0})
second = nest.Create("iaf_psc_exp", params=common)
nest.Connect(first, second, syn_spec={"weight": 80.0, "delay": 1.5})

recorders = nest.Create("spike_recorder", 2)
nest.Connect(first, recorders[0])
nest.Connect(second, recorders[1])
meter = nest.Create("multimeter", params={"record_from": ["V_m"], "interval": 0.1})
nest.Connect(meter, second)
nest.Simulate(60.0)

print("spikes of the first (ms):", recorders[0].events["times"].round(1).tolist())
print("spikes of the second (ms):", recorders[1].events["times"].round(1).tolist())
at = meter.events["times"].round(1) == 40.0
print(f"V of the second at 40 ms: {meter.events['V_m'][at][0]:.4f} mV")
