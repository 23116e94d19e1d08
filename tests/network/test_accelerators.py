"""What is compiled for GPUs and TPUs, looked at without one: the same program, lowered for those platforms."""

import re
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
from ranvier import given
from ranvier.kernels import dispatch
from ranvier.models.catalogue import CATALOGUE
from ranvier.network import loop
from ranvier.network.transfer import enter
from ranvier.surroundings import inside
from tests.kernels.an_h200 import on_an_h200

PLATFORMS = ("cuda", "tpu")
SCALE = {
    "cuba": 0.02,
    "coba": 0.02,
    "cobahh": 0.02,
    "brunel": 0.01,
    "vogels_abbott": 0.02,
    "microcircuit": 0.002,
    "clustered": 0.05,
    "inhibitory_balance": 0.02,
    "dynamic_random_network": 0.2,
}

# What XLA's rewriting of doubles into pairs of singles knows. The one that is missing is bitcast_convert: it cannot be rewritten.
OF_DOUBLES_ON_TPU = {
    "abs",
    "add",
    "broadcast_in_dim",
    "ceil",
    "clamp",
    "compare",
    "concatenate",
    "constant",
    "convert",
    "divide",
    "dynamic_slice",
    "dynamic_update_slice",
    "exponential",
    "floor",
    "gather",
    "is_finite",
    "log",
    "maximum",
    "minimum",
    "multiply",
    "negate",
    "optimization_barrier",
    "pad",
    "power",
    "reduce",
    "reshape",
    "return",
    "round_nearest_even",
    "scatter",
    "select",
    "sign",
    "slice",
    "sqrt",
    "subtract",
    "transpose",
    "while",
    "case",
    "iota",
}


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    """These programs are looked at, not run: also where there is a GPU."""
    monkeypatch.setattr(dispatch, "platform", lambda: "cpu")


def program_of(sim):
    """The loop of a prepared network, traced, and its arguments."""
    with inside(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of rates that a step is long for
        run = sim.start(10)
        state = enter(run.structure, run.state, run._pack, run.outside)
        args = run._arguments(state, loop.buffer_shapes(run.program, run.plan.widths), run.k1, run.k0)
        return loop.traced(run.program, args), args


def check(traced, platform):
    """The program for a platform has nothing that the platform lacks."""
    with inside():
        text = traced.lower(lowering_platforms=(platform,)).as_text()
    assert "stablehlo.while" in text or "stablehlo.add" in text
    assert "custom_call" not in text, "a kernel of the CPU, or a callback to the host"
    assert "callback" not in text and "infeed" not in text and "outfeed" not in text
    if platform == "tpu":
        doubles = [line for line in text.splitlines() if re.search(r"f64>", line)]
        found = {name for line in doubles for name in re.findall(r"stablehlo\.(\w+)", line)}
        assert found <= OF_DOUBLES_ON_TPU, found - OF_DOUBLES_ON_TPU


@pytest.mark.parametrize("model", CATALOGUE, ids=lambda model: model.name)
def test_the_loop_of_a_ready_made_model_lowers_for_accelerators(model):
    network = model.network(0, **({"scale": SCALE[model.name]} if model.name in SCALE else {}))
    sim = rv.prepare(network, dt=model.dt, integrator=model.integrator, record=model.record(network), precision="single")
    traced, args = program_of(sim)
    for platform in PLATFORMS:
        check(traced, platform)
    # In single precision nothing but times is double: dt, and parameters that are compared with the time.
    moving = jax.tree.leaves((args[2], args[3]))
    assert [x.shape for x in moving if x.dtype == np.float64 and x.ndim > 1 and x.shape[1] > 0] == []


@pytest.fixture(scope="module")
def small():
    """A network with reset, refractoriness, delays and conductances, in double precision."""
    cells = rv.Population(
        8, rv.neurons.LeakyIntegrateAndFire(refractory=2.0), current=300.0, initial={"V": rv.normal(-65, 5)}, name="cells"
    )
    synapse = rv.synapses.ExponentialConductance(tau=5.0, reversal=0.0)
    return rv.Network(cells, rv.Projection(cells, cells, synapse, rv.connect.pairwise_bernoulli(0.5), weight=0.5, delay=1.0, name="wire"))


@pytest.mark.parametrize("surrogate", [rv.surrogates.FixedSpikes(), rv.surrogates.FastSigmoid()], ids=["spikes stay", "surrogate"])
def test_gradients_lower_for_accelerators(small, surrogate):
    sim = rv.prepare(small, dt=0.1, integrator=rv.ExponentialEuler())
    function = sim.function(20, surrogate=surrogate)
    with jax.enable_x64(True):
        state = sim.state()
        loss = lambda parameters: jnp.sum(function(parameters, state)[0].neurons["cells"]["V"])
        traced = jax.jit(jax.grad(loss)).trace({"wire.weight": 0.5, "cells.current": 300.0})
        for platform in PLATFORMS:
            text = traced.lower(lowering_platforms=(platform,)).as_text()
            assert "custom_call" not in text and "callback" not in text


def test_a_rule_in_the_users_own_words_lowers_for_accelerators():
    cells = rv.Population(4, rv.neurons.AdaptiveExponentialIntegrateAndFire(), current=700.0, name="cells")
    wire = rv.Projection(
        cells,
        cells,
        rv.synapses.ExponentialCurrent(tau=5.0),
        rv.connect.all_to_all(),
        weight=10.0,
        plasticity=rv.plasticity.VoltageSTDP(),
    )
    traced, _ = program_of(rv.prepare(rv.Network(cells, wire), dt=0.1, precision="single"))
    for platform in PLATFORMS:
        check(traced, platform)


def test_a_tpu_computes_in_single_precision_and_says_so_once(small, monkeypatch):
    monkeypatch.setattr(dispatch, "platform", lambda: "tpu")
    given.warn_of_single_precision.cache_clear()
    with pytest.warns(UserWarning, match="no double precision"):
        assert rv.prepare(small, dt=0.1).precision == "single"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert rv.prepare(small, dt=0.1).precision == "single"


def test_a_gpu_gets_kernels_of_our_own_and_no_loop_within_the_step(small, monkeypatch):
    sim = rv.prepare(small, dt=0.1)
    monkeypatch.setattr(dispatch, "platform", lambda: "gpu")
    monkeypatch.setattr(dispatch, "turns_at_once", lambda: 1)
    with inside(), on_an_h200():
        traced, _ = program_of(sim)
        text = traced.lower(lowering_platforms=("cuda",)).as_text()
    assert text.count("custom_call @__gpu$xla.gpu.triton") == 3, "spikes noted, delivered and listed"
    assert text.count("stablehlo.while") == 1
    assert "callback" not in text


def test_a_loop_is_one_graph_on_a_gpu_and_options_are_for_it_alone():
    assert dispatch.compiler_options("tpu") == {} and dispatch.compiler_options("cpu") == {"xla_cpu_prefer_vector_width": 512}
    options = dispatch.compiler_options("gpu")
    assert "WHILE" in options["xla_gpu_enable_command_buffer"] and options["xla_gpu_deterministic_ops"]
    assert dispatch.compiler_options("gpu", 2) == {"xla_gpu_deterministic_ops": True}


def test_loops_within_loops_are_counted():
    once = lambda x: jax.lax.while_loop(lambda c: c < 9, lambda c: c + 1, x)
    twice = lambda x: jax.lax.while_loop(lambda c: c < 99, lambda c: jax.jit(lambda c: once(c) + c)(c) + 1, x)
    for function, wanted in ((lambda x: x, 0), (once, 1), (lambda x: once(once(x)), 1), (twice, 2)):
        assert dispatch.loops_within(jax.jit(function).lower(1).as_text("hlo")) == wanted


def test_several_turns_at_once_are_the_same_steps(small, monkeypatch):
    wanted = rv.simulate(small, duration=37.3, dt=0.1, record=[], seed=3)
    monkeypatch.setattr(dispatch, "turns_at_once", lambda: 8)
    monkeypatch.setattr(dispatch, "native_available", lambda: False)
    got = rv.simulate(small, duration=37.3, dt=0.1, record=[], seed=3)
    assert len(wanted.spikes) > 10
    np.testing.assert_array_equal(got.spikes.steps, wanted.spikes.steps)
    np.testing.assert_array_equal(got.spikes.neurons, wanted.spikes.neurons)


def test_an_xla_without_the_options_compiles_all_the_same(monkeypatch):
    monkeypatch.setattr(dispatch, "platform", lambda: "gpu")
    monkeypatch.setattr(dispatch, "compiler_options", lambda platform, loops: {"xla_gpu_no_such_option": True})
    monkeypatch.setattr(dispatch, "_unknown", set())
    lowered = jax.jit(lambda x: x + 1).lower(1.0)
    with pytest.warns(UserWarning, match="launched from the host"):
        assert dispatch.compile_loop(lowered)(1.0) == 2.0


def test_odeint_leaves_out_an_option_that_xla_does_not_know(monkeypatch):
    known = {"xla_cpu_prefer_vector_width": 256}
    monkeypatch.setattr(dispatch, "platform", lambda: "cpu")
    monkeypatch.setattr(dispatch, "compiler_options", lambda platform, loops: {"xla_cpu_no_such_option": 512, **known})
    monkeypatch.setattr(dispatch, "_unknown", set())
    looked_at = 0.125  # makes the loop another than those compiled before
    points = rv.odeint(lambda x, t: -looked_at * x, jnp.ones(3), np.arange(0.0, 1.0, 0.1))
    np.testing.assert_allclose(points[-1], np.exp(-looked_at * 0.9), rtol=1e-6)
    assert dispatch._unknown == {"xla_cpu_no_such_option"}
