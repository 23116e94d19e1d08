"""A Hodgkin-Huxley cell with a pulse of current."""

from neuron import h

h.load_file("stdrun.hoc")
cell = h.Section(name="soma")
cell.L = cell.diam = 20.0  # µm: 1256.6 µm²
cell.insert("hh")
cell.gl_hh, cell.el_hh = 0.0003, -54.387  # S/cm², mV
area = cell(0.5).area() * 1e-8  # cm²

clamp = h.IClamp(cell(0.5))
clamp.delay, clamp.dur, clamp.amp = 20.0, 60.0, 10.0 * area * 1e3  # 10 µA/cm² in nA

detector = h.NetCon(cell(0.5)._ref_v, None, sec=cell)
detector.threshold = 0.0
times = h.Vector()
detector.record(times)

h.usetable_hh = 0  # its table of the rates, in steps of 1 mV, would cost 0.03 ms a spike
h.celsius, h.dt, h.secondorder = 6.3, 0.01, 2
h.steps_per_ms = 100
h.finitialize(-65.0)
h.continuerun(100.0)
print("spikes (ms):", [round(t, 2) for t in times])
