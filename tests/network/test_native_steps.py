"""Steps that native kernels go through without XLA: equal to XLA's loop, bit for bit, and only where nothing else is to be done."""

import concurrent.futures

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ranvier as rv
import ranvier.run
from ranvier.kernels.dispatch import native_available
from ranvier.network import loop, native_steps
from ranvier.network.straight import straightened

pytestmark = pytest.mark.skipif(not native_available(), reason="there are no native kernels")

LIF = rv.neurons.LeakyIntegrateAndFire


def both(net, duration=60.0, **how):
    """A run by native kernels and one by XLA's loop, of one network."""
    runs = []
    for native in (True, False):
        loop._programs.clear()
        with pytest.MonkeyPatch.context() as patch:
            if not native:
                patch.setattr(native_steps.Turns, "run", native_steps.Turns.by_xla)
            sim = rv.prepare(net, dt=0.1, **how)
            assert sim.explain().native, sim.explain()
            runs.append(sim.run(duration, seed=3))
    loop._programs.clear()
    return runs


def assert_equal(native, by_xla):
    assert len(native.spikes) > 0
    np.testing.assert_array_equal(native.spikes.steps, by_xla.spikes.steps)
    np.testing.assert_array_equal(native.spikes.neurons, by_xla.spikes.neurons)
    for a, b in zip(jax.tree.leaves(native.state), jax.tree.leaves(by_xla.state), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("model", "precision"), [("cuba", "double"), ("coba", "single"), ("brunel", "single"), ("microcircuit", "double")])
def test_the_benchmarks_run_natively_and_give_the_bits_of_xlas_loop(model, precision):
    scale = {"microcircuit": 0.02, "brunel": 0.05}.get(model, 0.1)
    how = {"integrator": rv.ExponentialEuler()} if model == "coba" else {}
    assert_equal(*both(getattr(rv.models, model)(scale=scale), precision=precision, **how))


populations = st.builds(
    lambda n, tau, refractory, either: (n, tau, refractory, either),
    st.integers(1, 40), st.floats(5.0, 30.0), st.sampled_from([0.0, 0.1, 2.0]), st.booleans(),
)  # fmt: skip


@settings(max_examples=4, deadline=None)
@given(st.lists(populations, min_size=1, max_size=3), st.lists(st.tuples(*[st.integers(0, 2)] * 2, st.sampled_from(["delta", "exp"]),
       st.floats(-3.0, 6.0), st.sampled_from([0.0, 0.1, 1.3])), max_size=4), st.booleans())  # fmt: skip
def test_so_do_networks_of_any_such_parts(sizes, edges, single):
    cells = [
        rv.Population(
            n, LIF(capacitance=10.0 * tau, leak=10.0, rest=0.0, threshold=15.0, reset_potential=1.0, refractory=wait),
            initial={"V": rv.uniform(0.0, 15.0)}, name=f"p{i}", **({"current": 180.0} if driven else {}),
        )
        for i, (n, tau, wait, driven) in enumerate(sizes)
    ]  # fmt: skip
    kinds = {"delta": rv.synapses.Delta(), "exp": rv.synapses.ExponentialCurrent(tau=4.0)}
    parts = [
        rv.Projection(
            cells[i % len(cells)], cells[j % len(cells)], kinds[kind], rv.connect.pairwise_bernoulli(0.4), weight=w, delay=d, name=f"e{k}"
        )
        for k, (i, j, kind, w, d) in enumerate(edges)
    ]
    drive = rv.PoissonInput(cells[0], kinds["delta"], rate=400.0, sources=20, weight=2.0, name="drive")
    net = rv.Network(*cells, *parts, drive)
    if not rv.explain(net, dt=0.1).native:
        return  # a current in time among them is XLA's
    native, by_xla = both(net, 20.0, precision="single" if single else "double")
    np.testing.assert_array_equal(native.spikes.steps, by_xla.spikes.steps)
    for a, b in zip(jax.tree.leaves(native.state), jax.tree.leaves(by_xla.state), strict=True):
        np.testing.assert_array_equal(a, b)


def test_records_fall_between_calls_and_full_lists_of_spikes_are_emptied(monkeypatch):
    monkeypatch.setattr(ranvier.run, "LEAST_SPIKES", 1)
    monkeypatch.setattr(ranvier.run.program_of, "__defaults__", (1, None))  # room for a spike or two of each neuron
    native, by_xla = both(rv.models.brunel(scale=0.02), 150.0, record=rv.Record("exc", "V", neurons=[0, 3], every=0.7))
    assert len(native.spikes) > 2 * 512
    assert_equal(native, by_xla)
    np.testing.assert_array_equal(native["exc"].V, by_xla["exc"].V)


@pytest.mark.parametrize("each", [False, True])
def test_a_current_by_samples_is_read_natively(each):
    values = np.random.default_rng(0).uniform(200.0, 500.0, (40, 30) if each else 40)
    cells = rv.Population(30, LIF(), current=rv.stimuli.Sampled(values, every=0.73), initial={"V": rv.normal(-65, 5)}, name="cells")
    assert_equal(*both(rv.Network(cells), 40.0, integrator=rv.ExactLinear()))


def test_what_keeps_a_network_off_is_said():
    silent = rv.Population(2, LIF(), current=lambda t: 300.0 * jnp.sinh(t), name="cells")
    explanation = rv.explain(silent, dt=0.1)
    assert not explanation.native and "sinh" in explanation.why_not_native
    assert "XLA's loop, as no native kernel does" in str(explanation)
    cells = rv.Population(2, rv.neurons.HodgkinHuxley(), current=10.0, name="cells")
    assert "native kernel" in rv.explain(cells, dt=0.01).why_not_native
    linear = rv.Population(2, LIF(), name="linear")  # which has an integrator of its own, beside that of the cells
    assert "native kernel" in rv.explain(rv.Network(cells, linear), dt=0.01).why_not_native


def test_a_trace_is_a_row_of_what_the_processor_does():
    @jax.jit
    def inner(x):
        return jax.lax.platform_dependent(x, cpu=lambda x: x + 1.0, default=lambda x: x * 7.0), jnp.sin(x)

    straight = straightened(jax.make_jaxpr(lambda x: inner(x)[0] * 2.0)(1.0).jaxpr)
    assert [operation.name for operation in straight.operations] == ["add", "mul"]


def test_a_batch_is_xlas():
    net = rv.models.brunel(scale=0.02)
    found = rv.sweep(net, {"seed": [1, 2]}, duration=20.0, dt=0.1)
    for i, seed in enumerate((1, 2)):
        one = rv.simulate(net, duration=20.0, dt=0.1, seed=seed)
        assert sum(int(found[f"{name}.spike_count"].isel(seed=i).sum()) for name in ("exc", "inh")) == len(one.spikes)


def test_a_list_of_numbers_that_does_not_fit_is_refused():
    with jax.enable_x64(True):
        step = jnp.int64(0)
        call = jax.ffi.ffi_call("ranvier.run_steps", [jax.ShapeDtypeStruct((), jnp.int64)], input_output_aliases={0: 0})
        for program in ([], [0, 1, 1, 0, 0, 5, 0], [0, 1, 1, 7, 0, 5, 0, 0, 0, 0, 0, 1], [64, 1, 2, 64, 0, 12, 1, 99, 0, 0, 0, 0, 1]):
            with pytest.raises(jax.errors.JaxRuntimeError, match="run_steps"):
                jax.jit(lambda step, program=program: call(step, program=np.array(program, np.int64)))(step)[0].block_until_ready()


def test_runs_beside_each_other_are_those_alone():
    """One team of threads helps native steps; who finds it taken goes on without, and all find the same."""
    cells = rv.Population(5000, rv.neurons.LeakyIntegrateAndFire(), initial={"V": rv.normal(-60, 5)}, name="cells")
    drive = rv.PoissonInput(cells, rv.synapses.Delta(), rate=4000.0, weight=0.7)
    sim = rv.prepare(rv.Network(cells, drive), dt=0.1)
    assert sim.explain().native
    alone = [sim.run(60.0, seed=seed).spikes for seed in (1, 2)]
    assert all(len(spikes) > 1000 for spikes in alone)
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        beside = list(threads.map(lambda seed: sim.run(60.0, seed=seed).spikes, [1, 2] * 4))
    for i, spikes in enumerate(beside):
        np.testing.assert_array_equal(spikes.times, alone[i % 2].times)
        np.testing.assert_array_equal(spikes.neurons, alone[i % 2].neurons)
