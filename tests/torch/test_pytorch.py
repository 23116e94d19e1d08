"""What PyTorch offers works with every layer: compile, autocast, DDP, state_dict, to, torch.func, checkpointing, export."""

import copy
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import ranvier.torch as rt

from .layers import DRAWING, LAYERS, N, an_input, made

DETERMINISTIC = [name for name in LAYERS if name not in DRAWING]
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is here")


@pytest.fixture
def recompiled():
    """Each compilation on its own."""
    torch.compiler.reset()
    yield
    torch.compiler.reset()


@pytest.mark.filterwarnings("ignore")  # what PyTorch's own compiler warns of
@pytest.mark.parametrize("name", DETERMINISTIC)
def test_compile(name, recompiled):
    """In one graph, with its gradients; the compiler's front end, which is what a layer could break."""
    layer, x = made(name), an_input(name, steps=4).requires_grad_()
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    y, _ = compiled(x)
    expected, _ = layer(x)
    torch.testing.assert_close(y, expected)
    torch.testing.assert_close(torch.autograd.grad(y.sum(), x), torch.autograd.grad(expected.sum(), x))


@pytest.mark.filterwarnings("ignore")
def test_compile_drawing_layers_without_a_generator(recompiled):
    layer = rt.LIF(noise=0.5, firing=rt.SigmoidFiring(5.0))
    x = torch.rand(4, 3, N)
    spikes, _ = torch.compile(layer, backend="aot_eager", fullgraph=True)(x)
    assert set(spikes.unique().tolist()) <= {0.0, 1.0}


@pytest.mark.filterwarnings("ignore")
def test_compile_to_code(recompiled):
    """All the way, once: the default compiler's code has the same spikes."""
    layer, x = rt.AdaptiveLIF(N, tau=5.0), an_input("LIF", steps=1)
    try:
        spikes, state = torch.compile(layer, fullgraph=True)(x)
    except Exception as error:
        if "compile" in str(error).lower():  # there is no compiler, or PyTorch's own build of the code fails, as in a path with spaces
            pytest.skip(f"PyTorch cannot compile here: {type(error).__name__}")
        raise
    expected, last = layer(x)
    assert torch.equal(spikes, expected)
    torch.testing.assert_close(state.v, last.v)


@pytest.mark.filterwarnings("ignore")
def test_compiled_step_by_step_is_compiled_once(recompiled):
    layer, x = rt.AdaptiveLIF(N, tau=5.0), an_input("LIF")
    counter = torch._dynamo.testing.CompileCounter()
    cell = torch.compile(layer.cell, backend=counter, fullgraph=True)
    _, state = layer.cell(x[0])
    for t in range(1, 12):
        _, state = cell(x[t], state)
    assert counter.frame_count == 1


def test_autocast():
    net = rt.Sequential(nn.Linear(N, N), rt.LIF(N, tau=5.0, learn="tau"), nn.Linear(N, 2), rt.LeakyReadout(2))
    x = an_input("LIF")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y, state = net(x)
        loss = y.float().square().mean()
    loss.backward()
    assert y.dtype == torch.bfloat16
    assert state[1].v.dtype == torch.float32  # the membrane adds up small numbers
    assert all(torch.isfinite(p.grad).all() for p in net.parameters())


def network():
    torch.manual_seed(0)
    return rt.Sequential(nn.Linear(N, 8), rt.AdaptiveLIF(8, tau=5.0, learn=("tau", "threshold_jump")), nn.Linear(8, 2), rt.LeakyReadout(2))


def test_distributed_data_parallel(tmp_path):
    """Two processes, half the batch each: the parameters of one process with the mean of the halves' losses."""
    x, net = an_input("LIF", batch=4), network()
    torch.save((x, net), tmp_path / "given.pt")
    script = Path(__file__).parent / "one_of_two.py"
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    started = [subprocess.Popen([sys.executable, script, str(rank), tmp_path], env=environment) for rank in (0, 1)]
    try:
        assert [process.wait(120) for process in started] == [0, 0]
    finally:
        for process in started:
            process.kill()
    both = [torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1)]
    y, _ = net(x)
    (y.sum() / 2).backward()
    with torch.no_grad():
        expected = [p - 0.1 * p.grad for p in net.parameters()]
    for of_0, of_1, of_one in zip(*both, expected, strict=True):
        assert torch.equal(of_0, of_1)
        torch.testing.assert_close(of_0, of_one, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", LAYERS)
def test_state_dict(name, tmp_path):
    layer = made(name)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter += 0.05
    torch.save(layer.state_dict(), tmp_path / "layer.pt")
    fresh = made(name)
    fresh.load_state_dict(torch.load(tmp_path / "layer.pt"))
    x = an_input(name)
    if name not in DRAWING:
        assert torch.equal(fresh(x)[0], layer(x)[0])
    else:
        assert all(torch.equal(a, b) for a, b in zip(fresh.parameters(), layer.parameters(), strict=True))


def test_numbers_of_a_state_dict_are_loaded():
    given = rt.Sequential(nn.Linear(3, 2), rt.LIF(2, tau=10.0, reset=-1.0, threshold=0.4, learn="threshold"), rt.Delay(2, delay=3.0))
    other = rt.Sequential(nn.Linear(3, 2), rt.LIF(2, tau=20.0, threshold=2.0, learn="threshold"), rt.Delay(2, delay=1.0))
    x = 3 * torch.rand(50, 4, 3)
    assert not torch.equal(other(x)[0], given(x)[0])
    assert not other.load_state_dict(given.state_dict()).missing_keys
    assert other[1].tau.value == 10.0 and other[1].reset.value == -1.0
    torch.testing.assert_close(other[1].threshold.value, given[1].threshold.value)  # its range begins at the reset
    assert torch.equal(other(x)[0], given(x)[0])


def test_a_delay_that_is_loaded_is_counted_in_steps_anew():
    given, other = (rt.Delay(2, delay=torch.tensor(delays)) for delays in ([1.0, 3.0], [2.0, 0.0]))
    other.load_state_dict(given.state_dict())
    x = torch.rand(6, 2)
    assert torch.equal(other(x)[0], given(x)[0])


@pytest.mark.parametrize(
    ("given", "ours", "name"),
    [
        (rt.LIF(2), rt.LIF(2, dt=0.5), "dt is 1 in the state dict, but LIF.dt is 0.5"),
        (rt.LIF(2, refractory=2.0), rt.LIF(2), "refractory is 2 in the state dict, but LIF.refractory is 0"),
        (rt.AdaptiveLIF(2, threshold_max=3.0), rt.AdaptiveLIF(2), "threshold_max is 3 in"),
        (rt.Delays(2, 2, max_delay=4.0), rt.Delays(2, 2, max_delay=3.0), "steps is 4 in"),
        (rt.LIF(2), rt.LIF(2, learn="tau"), "tau.raw"),
        (rt.LIF(2, learn="tau"), rt.LIF(2), "tau.number"),
    ],
)
def test_a_state_dict_of_another_layer_is_refused_by_name(given, ours, name):
    with pytest.raises(RuntimeError, match=name):
        ours.load_state_dict(given.state_dict())


def test_a_number_that_a_layer_cannot_have_is_not_loaded():
    layer = rt.LIF(2)
    state = layer.state_dict()
    state["tau.number"] = torch.tensor(-1.0)
    with pytest.raises(RuntimeError, match=r"tau\.number: LIF\.tau is -1, but it must be above 0"):
        layer.load_state_dict(state)
    assert layer.tau.value == 20.0


@pytest.mark.parametrize("learn", [(), ("tau",)])
def test_a_state_dict_from_before_numbers_were_in_it_is_loaded(learn):
    layer = rt.LIF(2, learn=learn)
    state = layer.state_dict()
    for key in list(state):
        if not key.endswith("raw"):
            del state[key]
    for of_module in state._metadata.values():
        of_module["version"] = 1
    layer.load_state_dict(state)
    del state._metadata
    layer.load_state_dict(state)


def test_a_number_that_is_missing_is_named():
    state = rt.LIF(2).state_dict()
    del state["leak.number"]
    with pytest.raises(RuntimeError, match=r"leak\.number"):
        rt.LIF(2).load_state_dict(state)


@pytest.mark.parametrize("name", LAYERS)
def test_to_double_and_a_copy(name):
    layer = made(name).to(torch.float64)
    x = an_input(name, dtype=torch.float64)
    y, _ = layer(x)
    assert y.dtype == torch.float64
    if name not in DRAWING:
        assert torch.equal(copy.deepcopy(layer)(x)[0], y)
    assert made(name).to("meta")(x.to("meta"))[0].shape == y.shape if name not in DRAWING else True


@needs_gpu
@pytest.mark.parametrize("name", DETERMINISTIC)
def test_on_a_gpu(name):
    layer, x = made(name, torch.float64), an_input(name, dtype=torch.float64)
    y, _ = layer(x)
    on_gpu, state = layer.to("cuda")(x.to("cuda"))
    torch.testing.assert_close(on_gpu.cpu(), y)
    assert all(leaf.is_cuda for _, leaf in rt.layer.leaves(state))


@needs_gpu
def test_autocast_on_a_gpu():
    net, x = network().cuda(), an_input("LIF").cuda()
    with torch.autocast("cuda", dtype=torch.float16):
        y, _ = net(x)
    y.float().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters())


@pytest.mark.parametrize("name", DETERMINISTIC)
def test_vmap_over_the_batch_is_the_batch(name):
    layer, x = made(name), an_input(name)
    together, _ = layer(x)
    mapped = torch.func.vmap(lambda sample: layer(sample)[0], in_dims=1, out_dims=1)(x)
    torch.testing.assert_close(mapped, together)


def test_vmap_over_parameters_and_grad_of_functions():
    """An ensemble of networks in one call, and the gradient of each sample."""
    nets = [network() for _ in range(3)]
    for i, net in enumerate(nets):
        with torch.no_grad():
            net[0].weight += 0.1 * i
    parameters, buffers = torch.func.stack_module_state(nets)
    x = an_input("LIF")
    run = lambda p, b: torch.func.functional_call(nets[0], (p, b), (x,))[0]
    together = torch.func.vmap(run)(parameters, buffers)
    for one, net in zip(together, nets, strict=True):
        torch.testing.assert_close(one, net(x)[0])

    of_sample = lambda p, sample: torch.func.functional_call(nets[0], p, (sample[:, None],))[0].sum()
    own = dict(nets[0].named_parameters())
    grads = torch.func.vmap(torch.func.grad(of_sample), in_dims=(None, 1))(own, x)
    total = torch.autograd.grad(nets[0](x)[0].sum(), tuple(own.values()))
    for (key, each), whole in zip(grads.items(), total, strict=True):
        torch.testing.assert_close(each.sum(0), whole, rtol=1e-4, atol=1e-5, msg=key)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script")  # PyTorch's own, on first use of forward mode
def test_forward_mode_is_the_surrogates_derivative():
    layer, x = rt.LIF(N, tau=5.0), an_input("LIF")
    tangent = torch.rand_like(x)
    run = lambda x: layer(x)[0]
    _, forward = torch.func.jvp(run, (x,), (tangent,))
    leaf = x.clone().requires_grad_()
    y = run(leaf)
    cotangent = torch.rand_like(y)
    (backward,) = torch.autograd.grad(y, leaf, cotangent)
    torch.testing.assert_close((forward * cotangent).sum(), (backward * tangent).sum())


@pytest.mark.parametrize("name", LAYERS)
def test_checkpointing(name):
    """The same output and gradients, drawn noise included."""
    x = an_input(name).requires_grad_()
    plain, checked = made(name), made(name)
    if name in DRAWING:
        for layer in (plain, checked):
            layer.generator = None  # PyTorch keeps the state of its own generator alone
    torch.manual_seed(5)
    expected, _ = plain(x)
    torch.manual_seed(5)
    y, _ = rt.checkpointed(checked, x, every=5)
    if name not in DRAWING:
        torch.testing.assert_close(y, expected)
        torch.testing.assert_close(torch.autograd.grad(y.sum(), x), torch.autograd.grad(expected.sum(), x))
    else:
        (grad,) = torch.autograd.grad(y.sum(), x)
        assert torch.isfinite(grad).all()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", DETERMINISTIC)
def test_export(name):
    layer, x = made(name).eval(), an_input(name, steps=3)
    exported = torch.export.export(layer, (x,))
    y, _ = exported.module()(x)
    torch.testing.assert_close(y, layer(x)[0])
