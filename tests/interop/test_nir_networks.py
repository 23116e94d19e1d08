"""Networks of the engine through NIR: there and back, through PyTorch layers, by hand, and what has no place there."""

import numpy as np
import pytest

import ranvier as rv
from ranvier.errors import ParameterError, UnsupportedError

nir = pytest.importorskip("nir")

LIF = rv.neurons.LeakyIntegrateAndFire
TRAINS = [[1.0, 4.0, 9.0], [2.5, 3.0], [], [5.0, 12.0, 12.5]]
RNG = np.random.default_rng(2)
MATRIX = RNG.normal(30.0, 15.0, (6, 4)) * (RNG.random((6, 4)) < 0.7)


def recurrent():
    """Sources, two populations with several kinetics, delays a source, a readout."""
    source = rv.Population(4, rv.neurons.SpikeTimes.of_trains(TRAINS), name="source")
    cells = rv.Population(
        6,
        LIF(capacitance=rv.uniform(150, 250), threshold=rv.normal(-52, 1)),
        initial={"V": rv.uniform(-60, -56)},
        current=75.0,
        name="cells",
    )
    kicked = rv.Population(3, LIF(rest=-62.0), name="kicked")
    out = rv.Population(2, rv.neurons.Passive(capacitance=2.0), name="out")
    return rv.Network(
        *(source, cells, kicked, out),
        rv.Projection(
            source, cells, rv.synapses.ExponentialCurrent(tau=3.0), MATRIX, weight=12.0, delay=[[0.5, 1.0, 1.5, 2.0]], name="fast"
        ),
        rv.Projection(
            cells, cells, rv.synapses.AlphaCurrent(tau=4.0), rv.connect.fixed_in_degree(3), weight=rv.normal(-20, 5), delay=1.0, name="slow"
        ),
        rv.Projection(cells, kicked, rv.synapses.Delta(), rv.connect.all_to_all(), weight=4.0, name="kicks"),
        rv.Projection([cells, kicked], out, rv.synapses.ExponentialCurrent(tau=5.0), rv.connect.all_to_all(), weight=0.3, name="read"),
    )


def outcome(network, seed=0):
    run = rv.simulate(network, duration=40.0, dt=0.1, seed=seed, record=rv.Record("out", "V"), integrator=rv.ExactLinear())
    return {name: run.spikes[name].steps.tolist() for name in ("cells", "kicked")}, np.asarray(run["out"].V)


def test_there_and_back(tmp_path):
    network = recurrent()
    graph = rv.interop.to_nir(network, dt=0.1, seed=3)
    kinds = {name: type(node).__name__ for name, node in graph.nodes.items()}
    assert kinds["cells"] == "LIF" and kinds["cells_synapse_0"] == "LI" and kinds["out"] == "CubaLI" and kinds["fast_delay"] == "Delay"
    nir.write(tmp_path / "net.nir", graph)
    again = rv.interop.from_nir(nir.read(tmp_path / "net.nir"), spikes={"source": TRAINS})
    (spikes, V), (spikes_again, V_again) = outcome(network, seed=3), outcome(again)
    assert len(spikes["cells"]) > 10 and len(spikes["kicked"]) > 5
    assert spikes_again == spikes
    np.testing.assert_allclose(V_again, V, rtol=0, atol=1e-9)


def test_the_numbers_in_the_graph():
    """D.5: tau = C/g and r = 1/g of the equation, in seconds; w_in = tau_syn for a jump of the weight; a current in v_leak."""
    source = rv.Population(1, rv.neurons.PoissonSource(5.0), name="source")
    cells = rv.Population(2, LIF(capacitance=300.0, leak=15.0, reset=-61.0), current=30.0, name="cells")
    kicked = rv.Population(1, LIF(), name="kicked")
    wires = (
        rv.Projection(source, cells, rv.synapses.ExponentialCurrent(tau=5.0), [[2], [0]], name="w"),
        rv.Projection(source, kicked, rv.synapses.Delta(), [[1]], weight=3.0, name="k"),
    )
    graph = rv.interop.to_nir(rv.Network(source, cells, kicked, *wires), dt=0.1)
    node = graph.nodes["cells"]
    np.testing.assert_allclose(node.tau_mem, 0.02)
    np.testing.assert_allclose(node.r, 1 / 15)
    np.testing.assert_allclose(node.v_leak, -58.0)
    np.testing.assert_allclose(node.v_reset, -61.0)
    np.testing.assert_allclose([node.w_in, node.tau_syn], 0.005)
    np.testing.assert_allclose(graph.nodes["w"].weight, [[2.0], [0.0]])
    np.testing.assert_allclose([graph.nodes["kicked"].r, graph.nodes["kicked"].tau], 0.02)  # a Dirac of 3 moves it by 3 r/τ
    assert graph.metadata["time_unit"] == "s" and np.isclose(graph.metadata["dt"], 1e-4)


def test_the_layers_of_pytorch_run_it():
    """Another implementation of the same graph: a chain of kicks, `rt.from_nir`, step by step."""
    torch, rt = pytest.importorskip("torch"), pytest.importorskip("ranvier.torch")
    source = rv.Population(4, rv.neurons.SpikeTimes.of_trains(TRAINS), name="source")
    cells = rv.Population(6, LIF(), name="cells")
    wire = rv.Projection(source, cells, rv.synapses.Delta(), np.abs(MATRIX) / 3, name="wire")
    graph = rv.interop.to_nir(rv.Network(source, cells, wire), dt=0.1)
    net = rt.from_nir(graph, dtype=torch.float64)
    x = np.zeros((400, 1, 4))
    for i, train in enumerate(TRAINS):
        x[np.rint(np.array(train) / 0.1).astype(int), 0, i] = 1.0
    run = rv.simulate(rv.Network(source, cells, wire), duration=40.0, dt=0.1, integrator=rv.ExactLinear())
    got = torch.nonzero(net(torch.from_numpy(x))[0][:, 0])
    # A layer's spike is in the step of its input; a kick that arrives with a step's end is seen in the next.
    assert sorted((k + 1, i) for k, i in got.tolist()) == sorted(zip(run.spikes["cells"].steps, run.spikes["cells"].neurons, strict=True))
    assert len(got) > 5


def graph_of(edges, **nodes):
    return nir.NIRGraph(nodes=nodes, edges=edges, metadata={"time_unit": "ms"})


def test_a_graph_by_hand():
    """v̇ = r I: IF sums its kicks; a weight of w_in / tau_syn; a delay before and one after the weights."""
    ones = np.ones(1)
    graph = graph_of(
        [("in", "d1"), ("d1", "w"), ("w", "d2"), ("d2", "sum"), ("sum", "out"), ("in", "w2"), ("w2", "cuba"), ("cuba", "out2")],
        **{
            "in": nir.Input(np.array([1])),
            "d1": nir.Delay(2.0 * ones),
            "w": nir.Linear(np.array([[0.4]])),
            "d2": nir.Delay(1.0 * ones),
            "sum": nir.IF(r=2.0 * ones, v_threshold=1.5 * ones, v_reset=0 * ones),
            "w2": nir.Linear(np.array([[3.0]])),
            "cuba": nir.CubaLI(tau_syn=5.0 * ones, tau_mem=20.0 * ones, r=ones, v_leak=0 * ones, w_in=2.5 * ones),
            "out": nir.Output(np.array([1])),
            "out2": nir.Output(np.array([1])),
        },
    )
    net = rv.interop.from_nir(graph, spikes={"in": [[1.0, 5.0, 9.0, 13.0]]})
    run = rv.simulate(net, duration=20.0, dt=0.1, record=rv.Record("cuba", "V"), integrator=rv.ExactLinear())
    np.testing.assert_allclose(run.spikes["sum"].times, [8.1, 16.1])  # by 0.8 at 4, 8, 12 and 16 ms
    t = np.asarray(run["cuba"].V.time)[12:50] - 1.1
    wanted = 1.5 * (np.exp(-t / 20) - np.exp(-t / 5)) / (1 / 5 - 1 / 20) / 20
    np.testing.assert_allclose(np.asarray(run["cuba"].V)[12:50, 0], wanted, atol=1e-12)


KICK = rv.synapses.Delta()
CELLS = rv.Population(2, LIF(), name="cells")


def with_wire(synapse=KICK, **more):
    return rv.Network(CELLS, rv.Projection(CELLS, CELLS, synapse, rv.connect.all_to_all(), name="wire", **more))


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (rv.Network(rv.Population(1, rv.neurons.Izhikevich2003(), name="c")), "no node for Izhikevich2003 .population 'c'."),
        (rv.Network(rv.Population(1, LIF(refractory=2.0), name="c")), "no field for a refractory period .population 'c'."),
        (rv.Network(rv.Population(1, LIF(), current=rv.stimuli.Sine(1.0), name="c")), "no node for the current of 'c', a Sine"),
        (rv.Network(CELLS, rv.PoissonInput(CELLS, rv.synapses.Delta(), rate=5.0, name="p")), "no node for the Poisson input 'p'"),
        (with_wire(rv.synapses.ExponentialConductance()), "no node for ExponentialConductance .projection 'wire'."),
        (with_wire(delay=rv.uniform(1.0, 2.0)), "a delay for each source, and projection 'wire' has one for each edge"),
        (with_wire(plasticity=rv.plasticity.PairSTDP(high=1.0)), "no field for plasticity .projection 'wire'."),
        (with_wire(short_term_plasticity=rv.synapses.TsodyksMarkram()), "no field for short-term plasticity"),
    ],
)
def test_what_has_no_place_is_refused_by_name(network, message):
    with pytest.raises(UnsupportedError, match=message):
        rv.interop.to_nir(network)


def test_what_an_import_refuses():
    one = np.ones(1)
    chain = [("in", "x"), ("x", "lif"), ("lif", "out")]
    ends = {"in": nir.Input(one.astype(int)), "out": nir.Output(one.astype(int))}
    lif = nir.LIF(tau=one, r=one, v_leak=0 * one, v_threshold=one, v_reset=0 * one)
    with pytest.raises(UnsupportedError, match=r"nothing for the NIR node Scale .'x'."):
        rv.interop.from_nir(graph_of(chain, **ends, x=nir.Scale(one), lif=lif))
    with pytest.raises(UnsupportedError, match=r"'x' has a bias. Put it into the v_leak"):
        rv.interop.from_nir(graph_of(chain, **ends, x=nir.Affine(np.eye(1), one), lif=lif))
    good = graph_of(chain, **ends, x=nir.Linear(np.eye(1)), lif=lif)
    with pytest.raises(ParameterError, match="spikes of 'in' has 2 trains, but it has 1 neurons"):
        rv.interop.from_nir(good, spikes={"in": [[1.0], [2.0]]})
    with pytest.raises(rv.RanvierError, match="'input'"):
        rv.interop.from_nir(good, spikes={"input": [[1.0]]})
    with pytest.raises(ParameterError, match="time_unit is 'ms', not 's'"):
        rv.interop.from_nir(good, time_unit="s")
