"""NIR: out, in, there and back, and through other frameworks where they are installed."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

import ranvier.torch as rt
from ranvier.errors import ParameterError, UnknownNameError, UnsupportedError

nir = pytest.importorskip("nir")

X = 8 * torch.rand(40, 2, 4, generator=torch.Generator().manual_seed(0))


def networks():
    torch.manual_seed(0)
    deep = rt.Sequential(
        nn.Linear(4, 6),
        rt.LIF(6, tau=torch.linspace(5, 10, 6), leak=0.5, rest=-0.1, threshold=0.7, reset=-0.3),
        nn.Linear(6, 6, bias=False),
        rt.CurrentLIF(6, tau=8.0, synapse_tau=3.0, threshold=0.4),
        rt.Delay(6, delay=torch.tensor([0.0, 1.0, 2.0, 5.0, 1.0, 3.0])),
        nn.Linear(6, 2),
        rt.LeakyReadout(2, tau=12.0),
        rt.CurrentReadout(2, tau=9.0, synapse_tau=torch.tensor([4.0, 9.0])),
    )
    recurrent = rt.Sequential(nn.Linear(4, 5), rt.Recurrent(rt.LIF(5, tau=4.0, input="impulse"), nn.Linear(5, 5)), rt.LeakyReadout(5))
    images = rt.Sequential(
        nn.Unflatten(1, (1, 2, 2)),
        nn.Conv2d(1, 3, 3, padding=1),
        rt.LIF((3, 2, 2), tau=5.0),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(3, 2),
    )
    return {"deep": deep, "recurrent": recurrent, "images": images}


@pytest.mark.parametrize("time_unit", ["s", "ms"])
@pytest.mark.parametrize("name", ["deep", "recurrent", "images"])
def test_there_and_back(name, time_unit, tmp_path):
    net, x = networks()[name], X
    if name == "images":
        net, x = rt.Sequential(*list(net)[1:]), X.unflatten(2, (1, 2, 2))
    nir.write(tmp_path / "net.nir", rt.to_nir(net, tuple(x.shape[2:]), time_unit=time_unit))
    graph = nir.read(tmp_path / "net.nir")
    assert float(graph.metadata["dt"]) == (1e-3 if time_unit == "s" else 1.0)
    back = rt.from_nir(graph)
    assert [type(layer) for layer in back] == [type(layer) for layer in net]
    torch.testing.assert_close(back(x)[0], net(x)[0])
    assert net(x)[0].abs().sum() > 0


def test_the_numbers_in_the_file():
    """D.5: tau and r of the equation, w_in = tau_syn for a jump of the weight, v_reset always there."""
    net = rt.Sequential(rt.LIF(2, tau=10.0, leak=4.0, reset=-0.5), rt.CurrentLIF(2, tau=20.0, synapse_tau=5.0))
    graph = rt.to_nir(net, (2,))
    lif, cuba = graph.nodes["0"], graph.nodes["1"]
    np.testing.assert_allclose(lif.tau, [0.01, 0.01])
    np.testing.assert_allclose(lif.r, [0.25, 0.25])
    np.testing.assert_allclose(lif.v_reset, [-0.5, -0.5])
    np.testing.assert_allclose(cuba.w_in, cuba.tau_syn)
    np.testing.assert_allclose(cuba.tau_syn, [0.005, 0.005])


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (rt.LIF(4, refractory=2.0), "no field for a refractory period"),
        (rt.LIF(4, reset_by="subtraction"), "no field for reset_by='subtraction'"),
        (rt.LIF(4, noise=0.1), "no field for membrane noise"),
        (rt.LIF(4, firing=rt.SigmoidFiring()), "no field for stochastic firing"),
        (rt.AdaptiveLIF(4), "no node for AdaptiveLIF"),
        (rt.AdEx(4), "no node for AdEx"),
        (rt.Delays(4, 4, max_delay=2.0), "no node for Delays"),
        (rt.ShortTermPlasticity(4), "no node for ShortTermPlasticity"),
        (nn.BatchNorm1d(4), "no node for BatchNorm1d"),
    ],
)
def test_what_has_no_field_is_refused_by_name(layer, message):
    with pytest.raises(UnsupportedError, match=message):
        rt.to_nir(rt.Sequential(layer), (4,))


def lif_graph(**changes):
    ones = np.ones(2)
    node = nir.LIF(**{"tau": 0.01 * ones, "r": ones, "v_leak": 0 * ones, "v_threshold": ones, "v_reset": 0 * ones, **changes})
    nodes = {"input": nir.Input(np.array([2])), "lif": node, "output": nir.Output(np.array([2]))}
    return nir.NIRGraph(nodes=nodes, edges=[("input", "lif"), ("lif", "output")])


def test_what_an_import_refuses():
    graph = lif_graph()
    with pytest.warns(UserWarning, match=r"time constants of 0.01 to 0.01 ms at a time step of 1 ms: is time_unit right\?"):
        rt.from_nir(graph, dt=1.0, time_unit="ms")
    graph.nodes["lif"] = nir.Threshold(np.ones(2))
    with pytest.raises(UnsupportedError, match=r"no layer for the NIR node Threshold \('lif'\)"):
        rt.from_nir(graph, dt=1.0, time_unit="s")
    graph = lif_graph()
    graph.edges.append(("input", "output"))
    with pytest.raises(UnsupportedError, match="Node 'input' is wired to"):
        rt.from_nir(graph, dt=1.0, time_unit="s")
    graph = lif_graph()
    graph.metadata["time_unit"] = "ms"
    with pytest.raises(ParameterError, match="says that its time_unit is 'ms', not 's'"):
        rt.from_nir(graph, dt=1.0, time_unit="s")
    with pytest.raises(UnknownNameError, match="time_unit 'us'"):
        rt.from_nir(graph, dt=1.0, time_unit="us")
    with pytest.raises(ParameterError, match="metadata has no dt: give dt="):
        rt.from_nir(lif_graph(), time_unit="s")
    with pytest.raises(ParameterError, match="metadata has no time_unit: give time_unit="):
        rt.from_nir(lif_graph(), dt=1.0)
    with pytest.raises(ParameterError, match="'lif' has time constants from 10 ms on, below dt = 20 ms: the Euler form is unstable"):
        rt.from_nir(lif_graph(), dt=20.0, time_unit="s", euler=True)


@pytest.mark.filterwarnings("ignore:nirtorch:DeprecationWarning")  # how the peers call it
def test_from_snntorch_through_nir():
    """snnTorch writes Euler's time constants at its step of 0.1 ms."""
    snn = pytest.importorskip("snntorch")
    export = pytest.importorskip("snntorch.export_nir")
    torch.manual_seed(0)
    theirs = snn.Leaky(beta=torch.full((3,), 0.9), threshold=torch.ones(3), reset_mechanism="zero", reset_delay=False)
    linear = nn.Linear(4, 3)
    ours = rt.from_nir(export.export_to_nir(nn.Sequential(linear, theirs), torch.rand(4)), dt=0.1, time_unit="s", euler=True)
    membrane, kept = torch.zeros(2, 3), []
    for x in X:
        spikes, membrane = theirs(linear(x), membrane)
        kept.append(spikes)
    assert torch.stack(kept).sum() > 5
    assert torch.equal(ours(X)[0], torch.stack(kept))


@pytest.mark.filterwarnings("ignore:nirtorch:DeprecationWarning")  # how the peers call it
def test_to_norse_through_nir():
    norse = pytest.importorskip("norse.torch")
    torch.manual_seed(0)
    ours = rt.Sequential(nn.Linear(4, 3), rt.LIF(3, tau=10.0, euler=True))
    nn.init.uniform_(ours[0].weight, 0.0, 0.5)
    theirs, state, kept = norse.from_nir(rt.to_nir(ours, (4,)), dt=1e-3), None, []
    for x in X:
        spikes, state = theirs(x, state)
        kept.append(spikes)
    assert torch.stack(kept).sum() > 5
    assert torch.equal(ours(X)[0], torch.stack(kept))


def chain_of(**nodes):
    first, last = next(iter(nodes.values())), list(nodes.values())[-1]
    nodes = {"input": nir.Input(first.input_type), **nodes, "output": nir.Output(last.output_type)}
    names = list(nodes)
    return nir.NIRGraph(nodes=nodes, edges=list(itertools.pairwise(names)))


@pytest.mark.parametrize("reset_by", ["value", "subtraction"])
def test_the_recurrent_network_of_the_nir_paper(reset_by):
    """Pedersen et al. 2024, the Braille network: snnTorch's recurrent neurons with a synaptic current, at its dt of 0.1 ms, where w_in
    and r are 1 over the shares that an Euler step takes. Its rule, written out: syn = α·syn + x, mem = β·mem + syn."""
    rng, n, dt = np.random.default_rng(3), 20, 1e-4
    alpha, beta = 0.55, 0.9
    tau_syn, tau_mem = dt / (1 - alpha) * np.ones(n), dt / (1 - beta) * np.ones(n)
    weights, loops, bias = rng.normal(0, 0.4, (n, 12)), rng.normal(0, 0.3, (n, n)), rng.normal(0, 0.1, n)
    zero = np.zeros(n)
    nodes = {
        "input": nir.Input(np.array([12])),
        "fc": nir.Affine(weights, bias),
        "lif.lif": nir.CubaLIF(
            tau_syn=tau_syn, tau_mem=tau_mem, r=tau_mem / dt, v_leak=zero, v_threshold=zero + 1, v_reset=zero, w_in=tau_syn / dt
        ),
        "lif.w_rec": nir.Affine(loops, zero),
        "output": nir.Output(np.array([n])),
    }
    edges = [("input", "fc"), ("fc", "lif.lif"), ("lif.lif", "lif.w_rec"), ("lif.w_rec", "lif.lif"), ("lif.lif", "output")]
    net = rt.from_nir(nir.NIRGraph(nodes=nodes, edges=edges), dt=0.1, time_unit="s", euler=True, reset_by=reset_by, dtype=torch.float64)
    x = (rng.random((256, 12)) < 0.2).astype(float)
    synapse, potential, spikes, wanted = zero.copy(), zero.copy(), zero.copy(), []
    for row in x:
        synapse = alpha * synapse + weights @ row + bias + loops @ spikes
        potential = beta * potential + synapse
        spikes = (potential > 1).astype(float)
        potential = potential - spikes if reset_by == "subtraction" else potential * (1 - spikes)
        wanted.append(spikes)
    got = net(torch.from_numpy(x)[:, None])[0][:, 0].detach().numpy()
    assert got.sum() > 500
    np.testing.assert_array_equal(got, np.array(wanted))


def test_the_convolutional_network_of_the_nir_paper():
    """Its neurons are IF with r = 1 whose time counts steps: v = v + x, a spike from the threshold on, v = 0."""
    rng = np.random.default_rng(0)
    net = rt.from_nir(
        chain_of(
            conv=nir.Conv2d((6, 6), rng.normal(0, 0.3, (4, 2, 3, 3)), 1, 1, 1, 1, np.zeros(4)),
            fires=nir.IF(r=np.ones((4, 6, 6)), v_threshold=np.ones((4, 6, 6))),
            pool=nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        ),
        dt=1.0,
        time_unit="ms",
        dtype=torch.float64,
    )
    x = torch.from_numpy((rng.random((30, 1, 2, 6, 6)) < 0.3).astype(float))
    currents, v, kept = net[0](x[:, 0]), torch.zeros(4, 6, 6, dtype=torch.float64), []
    for current in currents:
        v = v + current
        kept.append((v >= 1).double())
        v = v * (1 - kept[-1])
    spikes = torch.stack(kept)
    assert spikes.sum() > 100
    torch.testing.assert_close(net(x)[0][:, 0], nn.functional.avg_pool2d(spikes, 2, divisor_override=1))


def test_a_weight_of_the_input_other_than_the_time_constant():
    """The current jumps by w_in / tau_syn: the same neuron with that factor in its weights."""
    one = {"tau_syn": np.array([5e-3]), "tau_mem": np.array([2e-2]), "v_leak": np.zeros(1)}
    both = [
        chain_of(weights=nir.Linear(np.array([[weight]])), readout=nir.CubaLI(r=np.ones(1), w_in=np.array([w_in]), **one))
        for weight, w_in in ((3.0, 5e-3), (1.0, 15e-3))
    ]
    got, wanted = (rt.from_nir(graph, dt=1.0, time_unit="s")(torch.ones(20, 1, 1))[0] for graph in both)
    torch.testing.assert_close(got, wanted)


def test_a_delay_comes_later():
    net = rt.from_nir(chain_of(delay=nir.Delay(np.array([0.0, 2e-3]))), dt=1.0, time_unit="s")
    assert net(torch.eye(4)[:, :1].expand(4, 2))[0].T.tolist() == [[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]
