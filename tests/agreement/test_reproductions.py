"""The published numbers of PSST's Days 3, 4 and 6, for the documentation's table."""

import numpy as np

import ranvier as rv
from ranvier.interop import psst
from tests.reproduces import record_reproduction

from .test_day3 import CLOSED
from .test_day4 import three_neurons

DAY = "Mohanta & Assisi 2019 (PSST), Day {}: its code run under TensorFlow 2.21"


def test_day_3(published):
    cells = rv.Population(20, rv.neurons.BazhenovNeuron(), initial=CLOSED, current=np.linspace(0, 10, 20), name="cells")
    rates = rv.simulate(cells, duration=200.0, record=[]).spikes.rate
    record_reproduction(
        "PSST Day 3: twenty cells", DAY.format(3), "rates at 0 … 10 µA/cm²", published("day3_population")["rates"], rates, 0, "Hz"
    )


def test_day_4(published):
    day4 = published("day4")
    net = three_neurons()
    run = rv.simulate(net, duration=700.0, initial=psst.from_vector(net, day4["y0"]))
    for i in (0, 1):
        record_reproduction(
            "PSST Day 4: three cells", DAY.format(4), f"spike times of X{i + 1}", day4[f"fire_t_values_{i}"], run.spikes.trains[i], 0, "ms"
        )
    record_reproduction("PSST Day 4: three cells", DAY.format(4), "spikes of X3", 0, run.spikes.counts[2], 0)


def test_day_6(published):
    day6 = published("day6")
    given = {"ach_mat": day6["ach_mat"], "fgaba_mat": day6["fgaba_mat"], "driven": day6["input_neurons"]}
    net = rv.models.antennal_lobe(**given, published=True)
    run = rv.simulate(
        net,
        duration=1000.0,
        initial=psst.from_vector(net, day6["state_vector"]),
        record=[rv.Record(p, "V", every=2.0) for p in ("PN", "LN")],
    )
    V = np.concatenate([run["PN"].V.values, run["LN"].V.values], axis=1)[:-1]
    name, source = "PSST Day 6: the antennal lobe", DAY.format(6)
    record_reproduction(name, source, "spikes of each of the 120 neurons", day6["counts"], run.spikes.counts, 0)
    record_reproduction(name, source, "largest difference of any potential, 1000 ms", 0, np.abs(V - day6["V"]).max(), 1e-6, "mV")
    record_reproduction(
        name, source, "mean rate of the projection neurons", day6["counts"][:90].mean(), run.spikes["PN"].rate.mean(), 1e-9, "Hz"
    )
