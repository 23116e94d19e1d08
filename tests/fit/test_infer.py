"""Simulators and priors as sbi takes them."""

import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv

torch = pytest.importorskip("torch")
RANGES = {"cell.leak": (0.05, 0.5), "cell.capacitance": (0.5, 3.0)}


@pytest.fixture(scope="module")
def sim():
    pulse = rv.stimuli.SquarePulse(1.0, start=5.0, stop=100.0)
    cell = rv.Population(1, rv.neurons.Passive(leak=0.2, capacitance=1.0), current=pulse, name="cell")
    return rv.prepare(cell, dt=0.1, record=[rv.Record("cell", "V")])


def summary(seen):
    """How far the potential comes, and how far it is on its way after 4 ms."""
    V = seen["V"][:, 0]
    return jnp.stack([V[-1] - V[0], V[90] - V[0]])


def test_rows_are_runs_whatever_the_batch(sim):
    rows = rv.infer.prior(sim, RANGES).sample((7,))
    whole, parts = (rv.infer.simulator(sim, RANGES, summary, 60.0, at_once=n) for n in (256, 3))
    np.testing.assert_allclose(whole(rows), parts(rows), rtol=1e-6)
    for row, found in zip(rows, whole(rows), strict=True):
        V = sim.run(60.0, parameters=dict(zip(whole.labels, row.tolist(), strict=True))).V[:, 0].values
        np.testing.assert_allclose(found, [V[-2] - V[0], V[90] - V[0]], rtol=1e-5)
    assert whole(rows[0]).shape == (2,)


def test_each_run_has_random_numbers_of_its_own():
    cell = rv.Population(1, rv.neurons.PoissonSource(rate=50.0), name="cell")
    other = rv.Population(1, rv.neurons.Passive(), current=1.0, name="other")
    sim = rv.prepare(rv.Network(cell, other), dt=0.5)
    count = rv.infer.simulator(sim, ["other.leak"], lambda seen: seen["cell"]["spikes"].sum(), 500.0)
    counts = count(torch.full((40, 1), 0.3)).flatten().numpy()
    assert len(set(counts)) > 5 and counts.mean() == pytest.approx(25.0, abs=4 * 5 / np.sqrt(40))


def test_what_cannot_be_inferred_is_said(sim):
    with pytest.raises(rv.ParameterError, match="needs a range with two ends"):
        rv.infer.prior(sim, ["cell.leak"])
    with pytest.raises(rv.ParameterError, match=r"shape \(2, 3\), but a row has 2 values: cell.leak, cell.capacitance"):
        rv.infer.simulator(sim, RANGES, summary, 60.0)(torch.zeros(2, 3))
    lif = rv.prepare(rv.Population(1, rv.neurons.LeakyIntegrateAndFire(refractory=2.0), name="cell"), dt=0.1)
    with pytest.raises(rv.UnsupportedError, match=r"cell.refractory decides in which step"):
        rv.infer.simulator(lif, {"cell.refractory": (1.0, 5.0)}, summary, 60.0)


@pytest.mark.filterwarnings("ignore")
def test_sbi_finds_the_parameters_of_a_membrane(sim):
    inference = pytest.importorskip("sbi.inference")
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # its networks are small
    prior, simulate = rv.infer.prior(sim, RANGES), rv.infer.simulator(sim, RANGES, summary, 60.0)
    noisy = lambda rows: (x := simulate(rows)) + 0.02 * torch.randn(x.shape)
    rows = prior.sample((400,))
    npe = inference.NPE(prior, density_estimator="mdn", show_progress_bars=False)
    npe.append_simulations(rows, noisy(rows)).train(training_batch_size=100, max_num_epochs=150)
    torch.set_num_threads(threads)
    true = torch.tensor([0.25, 1.6])
    samples = npe.build_posterior().sample((400,), x=simulate(true), show_progress_bars=False)
    assert ((samples.mean(0) - true).abs() < 2.5 * samples.std(0)).all()
    # The data have made them surer than the ranges were.
    assert (samples.std(0) < 0.5 * prior.sample((1000,)).std(0)).all()
