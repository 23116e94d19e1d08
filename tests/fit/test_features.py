"""Features of traces: those of eFEL."""

import numpy as np
import pytest

import ranvier as rv

NAMES = list(rv.losses.FEATURES)
LOSS = rv.losses.Features(NAMES, start=50.0, stop=250.0)


@pytest.fixture(scope="module")
def run():
    """A cell that does not fire, one that fires with pauses, one that fires at a constant rate."""
    adapting = rv.Population(
        3, rv.neurons.HodgkinHuxley(), current=rv.stimuli.SquarePulse(np.array([2.0, 7.0, 15.0]), 50.0, 250.0), name="cells"
    )
    return rv.simulate(adapting, duration=300.0, dt=0.05, record=[rv.Record(adapting, "V")])


def test_they_are_those_of_efel(run):
    efel = pytest.importorskip("efel")
    efel.reset()
    efel.set_setting("Threshold", -20.0)
    efel.set_setting("strict_stiminterval", True)
    efel.set_setting("interp_step", 0.05)  # else it looks at every second sample
    found, times = LOSS.of(run), run.V.coords["time"].values
    traces = [{"T": times, "V": V, "stim_start": [50.0], "stim_end": [250.0]} for V in run.V.values.T]
    compared = 0
    for neuron, features in enumerate(efel.get_feature_values(traces, NAMES, raise_warnings=False)):
        for name, values in features.items():
            own = found[name][neuron]
            if values is None or not len(values):
                assert np.isnan(own) or name == "spike_count", (name, own)
            else:
                assert own == pytest.approx(float(np.mean(values)), rel=1e-3, abs=1e-3), name
                compared += 1
    assert compared > 20


def test_a_leak_and_a_resting_potential_are_found_by_features():
    pulse = rv.stimuli.SquarePulse(1.0, 20.0, 100.0)
    sim = rv.prepare(rv.Population(1, rv.neurons.Passive(leak=0.2, rest=-65.0), current=pulse, name="cell"), dt=0.1)
    loss = rv.losses.Features(["voltage_base", "steady_state_voltage_stimend"], start=20.0, stop=100.0)
    wanted = loss.of(sim.run(101.0, parameters={"cell.leak": 0.1, "cell.rest": -72.0}, initial=sim.state()))
    fit = rv.fit(sim, wanted, {"cell.leak": (0.02, 1.0), "cell.rest": (-90.0, -40.0)}, loss, iterations=60, seed=1)
    assert fit.method == "CMA-ES" and fit.loss < 1e-4
    assert fit.parameters["cell.leak"] == pytest.approx(0.1, rel=0.05) and fit.parameters["cell.rest"] == pytest.approx(-72.0, abs=0.5)
    found = loss.of(fit.run(101.0))
    assert float(found["steady_state_voltage_stimend"][0]) == pytest.approx(-62.0, abs=0.5)  # 1 µA/cm² lifts it by 10 mV


def test_what_is_no_feature_is_said():
    with pytest.raises(rv.UnknownNameError, match="Did you mean 'peak_voltage'"):
        rv.losses.Features(["peak_volts"], start=1.0, stop=2.0)
    with pytest.raises(rv.ParameterError, match="start is 1 ms and stop 1 ms"):
        rv.losses.Features(["spike_count"], start=1.0, stop=1.0)
    window = rv.losses.Window("cell", 1, 0.1)
    with pytest.raises(rv.ParameterError, match="before the stimulus, which ends at 250 ms"):
        LOSS.target((np.arange(9.0), np.zeros(9)), window)
    with pytest.raises(rv.UnknownNameError, match="Unknown feature 'spike_count'"):
        rv.losses.Features(["spike_count"], start=1.0, stop=2.0).target({"spikes": 3}, window)
