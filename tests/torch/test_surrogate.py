"""Surrogate gradients against finite differences of the smoothed function."""

import pytest
import torch

import ranvier.torch as rt
from ranvier.errors import ParameterError
from ranvier.torch.surrogate import Surrogate

EVERY = [rt.FastSigmoid(), rt.FastSigmoid(3.0), rt.ArcTangent(), rt.Triangle(), rt.Triangle(1.0, 0.4)]
EVERY += [rt.Gaussian(), rt.StraightThrough(), rt.MultiGaussian(), rt.MultiGaussian(0.3, 4.0, 0.2)]
D = torch.linspace(-2.0137, 2.0311, 405, dtype=torch.float64)  # no kink of a triangle among them


def test_every_one_is_tested():
    assert {type(s) for s in EVERY} == {s for s in Surrogate.__subclasses__() if s.__module__ == "ranvier.torch.surrogate"}


@pytest.mark.parametrize("surrogate", EVERY, ids=repr)
def test_the_derivative_is_that_of_the_smoothed_function(surrogate):
    h = 1e-6
    difference = (surrogate.smoothed(D + h) - surrogate.smoothed(D - h)) / (2 * h)
    torch.testing.assert_close(surrogate.derivative(D), difference, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("surrogate", EVERY, ids=repr)
def test_forward_is_a_step_and_backward_the_derivative(surrogate):
    d = torch.tensor([-1.0, -1e-30, 0.0, 0.5], requires_grad=True)
    spikes = surrogate(d)
    assert spikes.tolist() == [0.0, 0.0, 1.0, 1.0]
    (grad,) = torch.autograd.grad((spikes * torch.arange(4.0)).sum(), d)
    torch.testing.assert_close(grad, torch.arange(4.0) * surrogate.derivative(d.detach()))


@pytest.mark.parametrize("surrogate", EVERY, ids=repr)
def test_it_says_what_it_is(surrogate):
    assert surrogate.formula and surrogate.reference and type(surrogate).__doc__


@pytest.mark.parametrize(
    ("surrogate", "at_threshold", "area"),
    [
        (rt.FastSigmoid(25.0), 1.0, None),
        (rt.ArcTangent(3.0), 1.5, 1.0),
        (rt.Triangle(0.3, 2.0), 0.3, 0.6),
        (rt.Gaussian(0.5), 0.7978845608, 1.0),
        (rt.MultiGaussian(), 0.8782232733, 1.0 - 0.15),
    ],
    ids=repr,
)
def test_height_and_area(surrogate, at_threshold, area):
    """Numbers worked out from the papers' formulas."""
    zero = torch.zeros((), dtype=torch.float64)
    assert surrogate.derivative(zero).item() == pytest.approx(at_threshold, rel=1e-6)
    if area is not None:
        far = torch.tensor(1e7, dtype=torch.float64)
        assert (surrogate.smoothed(far) - surrogate.smoothed(-far)).item() == pytest.approx(area, rel=1e-6)


@pytest.mark.parametrize("slope", [0.0, -1.0, float("nan"), "1"])
def test_a_scale_that_is_not_positive_is_refused(slope):
    with pytest.raises(ParameterError, match=r"FastSigmoid.slope is .*, but it must be within"):
        rt.FastSigmoid(slope)


def test_ones_own_surrogate():
    class Box(Surrogate):
        formula, reference = "1 where |d| < 1", "none"

        def derivative(self, d):
            return (d.abs() < 1).to(d.dtype)

    layer = rt.LIF(surrogate=Box(), backend="auto")
    x = torch.full((5, 1), 2.0, requires_grad=True)
    layer(x)[0].sum().backward()
    assert (x.grad != 0).all()
