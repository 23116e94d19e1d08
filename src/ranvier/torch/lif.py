"""Leaky integrate-and-fire layers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from ranvier.errors import ParameterError
from ranvier.neurons import AdaptiveThresholdIntegrateAndFire, LeakyIntegrateAndFire
from ranvier.torch import arguments, functional, fused
from ranvier.torch.arguments import checked
from ranvier.torch.engine_parameters import membrane, parameters_of
from ranvier.torch.firing import SigmoidFiring
from ranvier.torch.functional import LIFState
from ranvier.torch.layer import computing_dtype
from ranvier.torch.planned import PlannedLayer
from ranvier.torch.ranged import Ranged, divided, expm1, exponential, of_dtype
from ranvier.torch.surrogate import Surrogate

INPUT = arguments.word("current", "impulse")
SURROGATE = arguments.instance(Surrogate, "rt.FastSigmoid()")
LAYER = {
    "size": arguments.size,
    "dt": arguments.time_step,
    "learn": arguments.words,
    "device": arguments.device,
    "dtype": arguments.dtype,
}
"""The arguments that layers have in common."""


class LIF(PlannedLayer):
    """Leaky integrate-and-fire neurons.

    ```
    tau · dv/dt = −(v − rest) + x / leak        v ≥ threshold: a spike, v = reset
    ```

    A step is exact for an input that is constant over it: `exp(−dt/tau)`, not its Euler form. See
    `ranvier.torch.lif_step` for the order of a step.

    Args:
        size: the last dimensions of the input, such as `50` or `(8, 1, 1)` for eight channels of images;
            a parameter that is learnt has one value for each. None: any input, one value for all.
        tau: membrane time constant (ms).
        dt: the time step (ms).
        leak: leak conductance: a constant current `x` ends at `rest + x/leak`.
        rest: resting potential.
        threshold: firing threshold.
        reset: potential after a spike, below the threshold.
        reset_by: `"value"`, or `"subtraction"` of `threshold − reset`, which keeps the overshoot.
        refractory: how long the potential is held after a spike (ms), a multiple of dt.
        input: `"current"`, or `"impulse"`: an input of 1 moves the potential by 1 at once.
        noise: the standard deviation that noise alone would give the potential, whatever dt
            (an Ornstein–Uhlenbeck process, exact for each step).
        firing: `SigmoidFiring(slope)` for stochastic firing; None fires at the threshold.
        surrogate: the gradient of a spike.
        detach_reset: no gradient through the reset.
        euler: `1 − dt/tau` and `dt/tau` in place of the exact `exp(−dt/tau)` and `1 − exp(−dt/tau)`.
        learn: which of `tau`, `leak`, `rest`, `threshold`, `noise` are learnt, each staying in its range.
        generator: where noise and stochastic firing draw from; PyTorch's own by default.
        backend: `"auto"` takes the fused kernel where it can, `"fused"` and `"reference"` force one.
        device, dtype: of what is learnt and of tensors that are given.

    Parameters other than dt and refractory may be tensors that broadcast against the input of a step.
    They are read as `layer.tau.value`.

    Raises:
        ParameterError: a time constant that is not positive, a threshold that is not above the reset …

    Reference: Lapicque 1907, J Physiol Pathol Gen 9:620; Gerstner et al. 2014, Neuronal Dynamics, eq. 1.5;
    the exact step: Rotter & Diesmann 1999, Biol Cybern 81:381.

    Example:
        >>> import torch, ranvier.torch as rt
        >>> layer = rt.LIF(50, tau=10.0, refractory=2.0)
        >>> spikes, state = layer(torch.full((100, 8, 50), 1.5))
        >>> spikes.shape, state.v.shape, int(spikes[:, 0, 0].sum())
        (torch.Size([100, 8, 50]), torch.Size([8, 50]), 7)
        >>> spikes, state = layer.cell(torch.full((8, 50), 1.5), state)
    """

    learnable: ClassVar[tuple[str, ...]] = ("tau", "leak", "rest", "threshold", "noise")
    settings: ClassVar[tuple[str, ...]] = ("size", "dt", "euler", "input", "reset_by", "refractory", "surrogate", "detach_reset", "backend")
    stated: ClassVar[tuple[str, ...]] = ("dt", "refractory")
    dt: float

    @checked(
        **LAYER,
        **dict.fromkeys(("tau", "leak", "rest", "threshold", "reset", "noise"), arguments.value),
        reset_by=arguments.word("value", "subtraction"),
        refractory=arguments.duration,
        input=INPUT,
        firing=arguments.optional(arguments.instance(SigmoidFiring, "rt.SigmoidFiring(…) or None")),
        surrogate=SURROGATE,
        detach_reset=arguments.flag,
        euler=arguments.flag,
        generator=arguments.generator,
        backend=arguments.word("auto", "fused", "reference"),
    )
    def __init__(
        self,
        size: int | tuple[int, ...] | None = None,
        *,
        tau: Any = 20.0,
        dt: float = 1.0,
        leak: Any = 1.0,
        rest: Any = 0.0,
        threshold: Any = 1.0,
        reset: Any = 0.0,
        reset_by: str = "value",
        refractory: float = 0.0,
        input: str = "current",
        noise: Any = 0.0,
        firing: SigmoidFiring | None = None,
        surrogate: Surrogate = functional.DEFAULT_SURROGATE,
        detach_reset: bool = False,
        euler: bool = False,
        learn: str | Iterable[str] = (),
        generator: torch.Generator | None = None,
        backend: str = "auto",
        device: Any = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        self._begin(size=size, dt=dt, learn=learn, device=device, dtype=dtype)
        self.tau = self._time_constant("tau", tau, euler=euler)
        self.leak = self._ranged("leak", leak, low=0.0)
        self.rest = self._ranged("rest", rest)
        self.reset = self._ranged("reset", reset)
        self.threshold = self._ranged("threshold", threshold, low=self.reset.most() if "threshold" in self._learnt else -math.inf)
        above_reset(self._name, threshold, reset)
        self.noise = self._ranged("noise", noise, low=0.0, closed=True)
        self.refractory = arguments.in_steps(f"{self._name}.refractory", refractory, dt)
        self.reset_by, self.input, self.backend = reset_by, input, backend
        if input == "impulse" and "leak" in self._learnt:
            raise ParameterError(
                f"{self._name}.learn: an impulse moves the potential whatever the leak; learn tau, or use input='current'."
            )
        self.firing, self.surrogate, self.detach_reset, self.euler, self.generator = firing, surrogate, detach_reset, euler, generator

    @classmethod
    @checked(model=arguments.anything, dt=arguments.time_step)
    def from_neuron(cls, model: LeakyIntegrateAndFire, *, dt: float = 0.1, **others: Any) -> LIF:
        """The engine's neuron as a layer, in its units (ms, mV, pA).

        The spikes are those of `rv.simulate(model, …, integrator=rv.ExponentialEuler())` with the same input.

        Args:
            model: an `rv.neurons.LeakyIntegrateAndFire`; arrays of parameters become tensors.
            dt: the time step (ms).
            others: as of the class; `dtype=torch.float64` keeps arrays in double.

        Example:
            >>> import ranvier as rv
            >>> layer = LIF.from_neuron(rv.neurons.LeakyIntegrateAndFire(), dt=0.1)
            >>> layer.tau.value, layer.threshold.value
            (20.0, -50.0)
        """
        values = parameters_of(model, LeakyIntegrateAndFire)
        return cls(dt=dt, **{**membrane(values), **values, **others})

    @classmethod
    @checked(
        num_neurons=arguments.size,
        **dict.fromkeys(("V_th", "V_reset", "tau"), arguments.value),
        dt=arguments.time_step,
        eta=arguments.number(1e-9, 1.0),
        use_adaptive_threshold=arguments.flag,
        noise_std=arguments.number(0.0),
        stochastic=arguments.flag,
        min_threshold=arguments.bound,
        max_threshold=arguments.bound,
    )
    def from_lif_project(
        cls,
        num_neurons: int | tuple[int, ...] | None = None,
        *,
        V_th: Any = 1.0,
        V_reset: Any = 0.0,
        tau: Any = 20.0,
        dt: float = 1.0,
        eta: float = 0.1,
        use_adaptive_threshold: bool = True,
        noise_std: float = 0.1,
        stochastic: bool = True,
        min_threshold: float = 0.5,
        max_threshold: float = 2.0,
        **others: Any,
    ) -> LIF:
        """A layer by the names, and with the defaults, of the LIF project (Extended_LIF_Neurons): it fires at random, with noise.

        | there | here |
        |---|---|
        | `V += (I − V)·dt/tau` | `euler=True` |
        | `stochastic=True`: P = sigmoid(V − V_th) | `firing=rt.SigmoidFiring(1.0)`; the noise is there only then |
        | `noise_std`: the deviation of what a step adds, whatever dt | `noise = noise_std / √(1 − exp(−2·dt/tau))` |
        | `use_adaptive_threshold`: up by `eta` at a spike, else down | `rt.AdaptiveLIF`, `threshold_jump=eta`, `threshold_tau=dt/eta` |
        | `min_threshold`, `max_threshold` | `threshold_min`, `threshold_max`, where it adapts |

        What its rules have that is not sound is not repeated: see "What the LIF project did" in the how-to.

        Args:
            num_neurons: the size. V_th, V_reset, tau, dt, eta, use_adaptive_threshold, noise_std, stochastic, min_threshold,
                max_threshold: as there.
            others: as of the class.

        Returns:
            An `rt.AdaptiveLIF`, or an `rt.LIF` where the threshold does not adapt.

        Example:
            >>> import torch, ranvier.torch as rt
            >>> layer = rt.LIF.from_lif_project(10, generator=torch.Generator().manual_seed(0))
            >>> spikes, _ = layer(torch.full((200, 4, 10), 0.5))
            >>> bool(spikes.mean() > 0.2)
            True
        """
        made = {"tau": tau, "dt": dt, "threshold": V_th, "reset": V_reset, "euler": True}
        if stochastic:
            kept = -expm1(-2 * dt / Ranged("LIF.from_lif_project: tau", tau, low=0.0).value)
            made |= {"firing": SigmoidFiring(1.0), "noise": noise_std / kept**0.5}
        if use_adaptive_threshold:
            made |= {"threshold_jump": eta, "threshold_tau": dt / eta, "threshold_min": min_threshold, "threshold_max": max_threshold}
        try:
            return (AdaptiveLIF if use_adaptive_threshold else LIF)(num_neurons, **{**made, **others})
        except ParameterError as error:
            raise ParameterError(
                f"LIF.from_lif_project: {error} (The threshold is V_th, the reset V_reset, the size num_neurons; threshold_min and "
                "threshold_max are min_threshold and max_threshold, the noise is noise_std's.)"
            ) from error

    def initial_state(self, x: Tensor) -> LIFState:
        dtype = computing_dtype(x)
        return LIFState(
            v=filled(x, self.rest.value, dtype),
            refractory=torch.zeros(x.shape, dtype=torch.int32, device=x.device) if self.refractory else None,
        )

    def _coefficients(self, values: dict[str, Any]) -> dict[str, Any]:
        """The numbers among the arguments of `lif_step` that the parameters come to."""
        decay, moved = decayed(self.dt, values["tau"], self.euler)
        gain = 1.0 if self.input == "impulse" else moved / values["leak"]
        return {"decay": decay, "gain": gain, **{name: values[name] for name in ("rest", "threshold", "reset")}}

    def coefficients(self, dtype: torch.dtype) -> dict[str, Any]:
        """The arguments of `lif_step` that these parameters come to."""
        return {
            **self._coefficients(self._values(dtype)),
            "reset_by_subtraction": self.reset_by == "subtraction",
            "refractory": self.refractory,
            "surrogate": self.surrogate,
            "detach_reset": self.detach_reset,
            **({} if self.firing is None else {"slope": of_dtype(self.firing.slope.value, dtype)}),
        }

    def draws(self, x: Tensor) -> dict[str, Tensor | None]:
        """The noise and the uniform draws for an input, in its shape."""
        dtype = computing_dtype(x)
        noise = uniform = None
        if self.noise.number != 0.0:
            gone = -expm1(-2 * self.dt / of_dtype(self.tau.value, dtype))
            scale = of_dtype(self.noise.value, dtype) * gone**0.5
            noise = scale * torch.randn(x.shape, dtype=dtype, device=x.device, generator=self.generator)
        if self.firing is not None:
            uniform = torch.rand(x.shape, dtype=dtype, device=x.device, generator=self.generator)
        return {"noise": noise, "uniform": uniform}

    def step(self, x: Tensor, state: LIFState, **changes: Any) -> tuple[Tensor, LIFState]:
        dtype = computing_dtype(x)
        spikes, state = functional.step(x.to(dtype), state, **{**self.coefficients(dtype), **self.draws(x), **changes})
        return spikes.to(x.dtype), state

    def _known(self) -> Any:
        noise: Any = self._modules["noise"]
        return None if noise.number != 0.0 or self.backend == "reference" else super()._known()

    def _loops(self, x: Tensor) -> Any:
        return fused.membranes.from_rest(x, self.initial_state(x[0]), **self.coefficients(x.dtype))

    @staticmethod
    def _packed(results: Sequence[Any]) -> tuple[Tensor, LIFState]:
        return results[0], LIFState(*results[1:])

    def _rows(self, values: dict[str, Any]) -> list[Any]:
        return fused.rows(self._coefficients(values), self._adds_at_reset())

    def _adds_at_reset(self) -> bool:
        return self.reset_by == "subtraction"

    def _start(self, values: dict[str, Any]) -> list[Any]:
        return [values["rest"], None, None]

    def sequence(self, x: Tensor, state: LIFState) -> tuple[Tensor, LIFState]:
        dtype = computing_dtype(x)
        spikes, state = self._run(x.to(dtype), state, {**self.coefficients(dtype), **self.draws(x)})
        return spikes.to(x.dtype), state

    def _run(self, x: Tensor, state: LIFState, arguments: dict[str, Any]) -> tuple[Tensor, LIFState]:
        if self.backend == "fused":
            return fused.lif_sequence(x, state, **arguments)
        if self.backend == "auto" and fused.unsupported(x, state, **arguments) is None:
            return fused.run(x, state, **arguments)
        return functional.sequence(x, state, **arguments)


class AdaptiveLIF(LIF):
    """Leaky integrate-and-fire neurons whose threshold rises with each spike and decays to the given one.

    ```
    threshold_tau · dθ/dt = −(θ − threshold)        at a spike: θ = θ + threshold_jump
    ```

    Args:
        threshold: what the threshold starts at and decays to.
        threshold_tau: time constant of that decay (ms).
        threshold_jump: what a spike adds.
        threshold_min, threshold_max: the threshold is kept within these.
        others: as of `LIF`; `threshold_tau` and `threshold_jump` can be learnt too.

    Reference: Bellec et al. 2018, NeurIPS 31, eq. 2–3 (there with a reset by subtraction).

    Example:
        >>> import torch, ranvier.torch as rt
        >>> layer = rt.AdaptiveLIF(1, threshold_jump=0.5, threshold_tau=200.0)
        >>> spikes, state = layer(torch.full((200, 1), 3.0))
        >>> spikes[:100].sum().item(), spikes[100:].sum().item(), round(state.threshold.item(), 2)
        (4.0, 3.0, 3.05)
    """

    learnable = (*LIF.learnable, "threshold_tau", "threshold_jump")
    settings = (*LIF.settings, "threshold_min", "threshold_max")
    stated = (*LIF.stated, "threshold_min", "threshold_max")

    @checked(
        size=arguments.size,
        threshold_tau=arguments.value,
        threshold_jump=arguments.value,
        threshold_min=arguments.bound,
        threshold_max=arguments.bound,
    )
    def __init__(
        self,
        size: int | tuple[int, ...] | None = None,
        *,
        threshold_tau: Any = 100.0,
        threshold_jump: Any = 0.1,
        threshold_min: float = -math.inf,
        threshold_max: float = math.inf,
        **others: Any,
    ):
        super().__init__(size, **others)
        self.threshold_tau = self._time_constant("threshold_tau", threshold_tau, euler=self.euler)
        self.threshold_jump = self._ranged("threshold_jump", threshold_jump)
        if not threshold_min <= threshold_max:
            raise ParameterError(f"{self._name}.threshold_min is {threshold_min:g}, above threshold_max = {threshold_max:g}.")
        if math.isfinite(threshold_min):
            above_reset(self._name, threshold_min, self.reset.value, "threshold_min")
        self.threshold_min, self.threshold_max = threshold_min, threshold_max
        given = self.threshold.value
        if lowest(given) < threshold_min or highest(given) > threshold_max:
            raise ParameterError(
                f"{self._name}.threshold is {lowest(given):g}, but it must be within [threshold_min, threshold_max] = "
                f"[{threshold_min:g}, {threshold_max:g}]."
            )

    @classmethod
    @checked(model=arguments.anything, dt=arguments.time_step)
    def from_neuron(cls, model: AdaptiveThresholdIntegrateAndFire, *, dt: float = 0.1, **others: Any) -> AdaptiveLIF:  # type: ignore[override]
        """The engine's neuron with an adaptive threshold as a layer; as of `LIF.from_neuron`.

        Args:
            model: an `rv.neurons.AdaptiveThresholdIntegrateAndFire`.
            dt: the time step (ms).
            others: as of the class.
        """
        values = parameters_of(model, AdaptiveThresholdIntegrateAndFire)
        return cls(dt=dt, **{**membrane(values), **values, **others})

    def initial_state(self, x: Tensor) -> LIFState:
        return super().initial_state(x)._replace(threshold=filled(x, self.threshold.value, computing_dtype(x)))

    def _coefficients(self, values: dict[str, Any]) -> dict[str, Any]:
        return {
            **super()._coefficients(values),
            "threshold_decay": decayed(self.dt, values["threshold_tau"], self.euler)[0],
            "threshold_jump": values["threshold_jump"],
        }

    def coefficients(self, dtype: torch.dtype) -> dict[str, Any]:
        return {**super().coefficients(dtype), "threshold_min": self.threshold_min, "threshold_max": self.threshold_max}

    def _adds_at_reset(self) -> bool:
        return False

    def _start(self, values: dict[str, Any]) -> list[Any]:
        return [values["rest"], None, values["threshold"]]


def filled(x: Tensor, value: Any, dtype: torch.dtype) -> Tensor:
    """A tensor like one step's input, all of one value or of a parameter's values."""
    if isinstance(value, Tensor):
        return value.to(dtype).expand(x.shape).clone()
    return torch.full(x.shape, value, dtype=dtype, device=x.device)


def decayed(dt: float, tau: Any, euler: bool = False) -> tuple[Any, Any]:
    """What is left after a step, and what is gone: `exp(−dt/τ)` and `1 − exp(−dt/τ)`, or their Euler forms."""
    if euler:
        z = divided(dt, tau)
        return 1 - z, z
    z = divided(-dt, tau)
    return exponential(z), -expm1(z)


def lowest(value: Any) -> float:
    """The smallest of a parameter's values."""
    return float(torch.as_tensor(value).detach().min())


def highest(value: Any) -> float:
    """The largest of a parameter's values."""
    return float(torch.as_tensor(value).detach().max())


def above_reset(layer: str, threshold: Any, reset: Any, name: str = "threshold", low: str = "reset") -> None:
    """Raises where a threshold is not above the reset: such a neuron would spike at every step."""
    if bool((torch.as_tensor(threshold) <= torch.as_tensor(reset)).any()):
        raise ParameterError(
            f"{layer}.{name} ({lowest(threshold):g}) must be above {low} ({highest(reset):g}): else it would spike at every step."
        )
