"""What a neuron's own spikes, and a signal from outside, do to its input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ranvier.errors import ParameterError, UnsupportedError
from ranvier.torch import arguments
from ranvier.torch.arguments import checked
from ranvier.torch.layer import SpikingLayer, State, checked_input, computing_dtype, fit_parameters
from ranvier.torch.lif import LIF, decayed, filled
from ranvier.torch.ranged import Parametrised, of_dtype


class Drive(NamedTuple):
    """What a step of a neuron takes, on its way through the mechanisms.

    Attributes:
        x: the input, `[B, …]`.
        slope: of the spike probability; None where firing is not stochastic.
        modulation: the signal from outside, `[B, …]`; None where there is none.
    """

    x: Tensor
    slope: Any
    modulation: Tensor | None


class Mechanism(Parametrised):
    """Base of what changes a neuron's input. A subclass gives some of the three functions; all are pure."""

    def initial_state(self, x: Tensor) -> Tensor | None:
        """Its state before the first step, for a step's input `x`; None where it has none."""
        return None

    def apply_to(self, drive: Drive, state: Tensor | None) -> Drive:
        """What it makes of a step's input."""
        return drive

    def after(self, state: Tensor | None, spikes: Tensor) -> Tensor | None:
        """Its state after a step with these spikes."""
        return state


class AdaptationCurrent(Mechanism):
    """A current that each spike makes stronger, taken from the input: spike-frequency adaptation.

    ```
    tau · da/dt = −a,    a spike: a = a + jump,    input − a
    ```

    Args:
        tau: its time constant (ms).
        jump: what a spike adds.
        dt: the time step (ms), that of the neuron.
        euler: the Euler form of the decay.
        learn: which of `tau`, `jump` are learnt.

    Reference: Benda & Herz 2003, Neural Comput 15:2523.
    """

    learnable = ("tau", "jump")
    dt: float

    @checked(tau=arguments.value, jump=arguments.value, dt=arguments.time_step, euler=arguments.flag, learn=arguments.words)
    def __init__(self, tau: Any = 100.0, jump: Any = 0.1, *, dt: float = 1.0, euler: bool = False, learn: Any = ()):
        super().__init__()
        self._begin(dt=dt, learn=learn)
        self.tau = self._time_constant("tau", tau, euler=euler)
        self.jump = self._ranged("jump", jump)
        self.euler = euler

    def initial_state(self, x: Tensor) -> Tensor:
        return filled(x, 0.0, computing_dtype(x))

    def apply_to(self, drive: Drive, state: Any) -> Drive:
        return drive._replace(x=drive.x - state)

    def after(self, state: Any, spikes: Tensor) -> Tensor:
        kept, _ = decayed(self.dt, of_dtype(self.tau.value, state.dtype), self.euler)
        return kept * state + of_dtype(self.jump.value, state.dtype) * spikes


class SynapticEfficiency(Mechanism):
    """A factor of the input that each spike lowers and that recovers to 1.

    ```
    tau · de/dt = 1 − e,    a spike: e = e − use · e,    input · e
    ```

    The step is `e (1 − use·s) + (1 − exp(−dt/tau)) (1 − e)`: both terms take e from before the step.

    Args:
        use: the share of it that a spike uses, within [0, 1].
        tau: how fast it recovers (ms).
        dt, euler: as of `AdaptationCurrent`.
        learn: which of `use`, `tau` are learnt.
    """

    learnable = ("use", "tau")
    dt: float

    @checked(use=arguments.value, tau=arguments.value, dt=arguments.time_step, euler=arguments.flag, learn=arguments.words)
    def __init__(self, use: Any = 0.1, tau: Any = 20.0, *, dt: float = 1.0, euler: bool = False, learn: Any = ()):
        super().__init__()
        self._begin(dt=dt, learn=learn)
        self.use = self._ranged("use", use, low=0.0, high=1.0, closed=True)
        self.tau = self._time_constant("tau", tau, euler=euler)
        self.euler = euler

    def initial_state(self, x: Tensor) -> Tensor:
        return filled(x, 1.0, computing_dtype(x))

    def apply_to(self, drive: Drive, state: Any) -> Drive:
        return drive._replace(x=drive.x * state)

    def after(self, state: Any, spikes: Tensor) -> Tensor:
        _, recovered = decayed(self.dt, of_dtype(self.tau.value, state.dtype), self.euler)
        return state * (1 - of_dtype(self.use.value, state.dtype) * spikes) + recovered * (1 - state)


class DynamicSlope(Mechanism):
    """A spike probability that a neuron's own recent activity makes less steep: `slope / (1 + A)`.

    ```
    tau · dA/dt = −A,    a spike: A = A + 1
    ```

    Args:
        tau: how long activity is remembered (ms).
        dt: the time step (ms).
    """

    dt: float

    @checked(tau=arguments.value, dt=arguments.time_step)
    def __init__(self, tau: Any = 20.0, *, dt: float = 1.0):
        super().__init__()
        self._begin(dt=dt)
        self.tau = self._time_constant("tau", tau)

    def initial_state(self, x: Tensor) -> Tensor:
        return filled(x, 0.0, computing_dtype(x))

    def apply_to(self, drive: Drive, state: Any) -> Drive:
        if drive.slope is None:
            raise UnsupportedError("DynamicSlope changes a spike probability: give the neuron firing=rt.SigmoidFiring(…).")
        return drive._replace(slope=drive.slope / (1 + state))

    def after(self, state: Any, spikes: Tensor) -> Tensor:
        kept, _ = decayed(self.dt, of_dtype(self.tau.value, state.dtype))
        return kept * state + spikes


class Neuromodulation(Mechanism):
    """A signal from outside that shifts the input, scales it, or scales the slope of the spike probability.

    Where no signal is given it does nothing.

    Args:
        mode: `"shift"`: input + strength·m; `"gain"`: input·(1 + strength·m); `"slope"`: slope·(1 + strength·m).
        strength: of the signal.
        transform: what makes m of the signal; `torch.sigmoid` by default, None takes it as it is.
    """

    @checked(mode=arguments.word("shift", "gain", "slope"), strength=arguments.value, transform=arguments.optional(arguments.function))
    def __init__(self, mode: str = "shift", *, strength: Any = 1.0, transform: Callable[[Tensor], Tensor] | None = torch.sigmoid):
        super().__init__()
        self._begin()
        self.mode, self.transform = mode, transform
        self.strength = self._ranged("strength", strength)

    def apply_to(self, drive: Drive, state: Any) -> Drive:
        if drive.modulation is None:
            return drive
        signal = drive.modulation if self.transform is None else self.transform(drive.modulation)
        effect = of_dtype(self.strength.value, drive.x.dtype) * signal
        if self.mode == "shift":
            return drive._replace(x=drive.x + effect)
        if self.mode == "gain":
            return drive._replace(x=drive.x * (1 + effect))
        if drive.slope is None:
            raise UnsupportedError("Neuromodulation('slope') scales a spike probability: give the neuron firing=rt.SigmoidFiring(…).")
        return drive._replace(slope=drive.slope * (1 + effect))


class FeedbackState(NamedTuple):
    """The state of neurons with feedback.

    Attributes:
        neuron: the neuron's own.
        mechanisms: one entry for each mechanism.
    """

    neuron: State
    mechanisms: tuple[Tensor | None, ...]


class WithFeedback(SpikingLayer):
    """A neuron whose input passes through mechanisms, in the order given, that its spikes then change.

    Args:
        neuron: an `rt.LIF` or one of its kin.
        mechanisms: such as `rt.SynapticEfficiency()`, `rt.Neuromodulation()`, `rt.AdaptationCurrent()`, `rt.DynamicSlope()`.

    It takes a signal for `Neuromodulation` as `modulation`, in the shape of the input.

    Example:
        >>> import torch, ranvier.torch as rt
        >>> layer = rt.WithFeedback(rt.LIF(1), rt.SynapticEfficiency(use=0.2), rt.AdaptationCurrent(jump=0.5))
        >>> spikes, state = layer(torch.full((200, 1), 4.0))
        >>> spikes[:50].sum().item(), spikes[-50:].sum().item()
        (4.0, 2.0)
        >>> spikes, state = layer.cell(torch.full((1,), 4.0), state)
    """

    @checked(
        neuron=arguments.instance(LIF, "rt.LIF(50)"),
        mechanisms=arguments.instance(Mechanism, "rt.AdaptationCurrent()"),
    )
    def __init__(self, neuron: LIF, *mechanisms: Mechanism):
        super().__init__()
        for mechanism in mechanisms:
            if getattr(mechanism, "dt", None) not in (None, neuron.dt):
                raise ParameterError(f"WithFeedback: {type(mechanism).__name__} has dt = {mechanism.dt:g} ms, its neuron {neuron.dt:g} ms.")
        self.neuron, self.mechanisms, self.size = neuron, nn.ModuleList(mechanisms), neuron.size

    def initial_state(self, x: Tensor) -> FeedbackState:
        return FeedbackState(self.neuron.initial_state(x), tuple(m.initial_state(x) for m in self._mechanisms))

    @property
    def _mechanisms(self) -> Sequence[Mechanism]:
        return tuple(self.mechanisms)  # type: ignore[arg-type]

    def cell(self, x: Tensor, state: State = None, modulation: Tensor | None = None) -> tuple[Tensor, State]:
        """One step; `modulation` is the signal of this step, `[B, …]`."""
        self._check_modulation(x, modulation)
        checked_input(self._name, x, "B", self.size)
        self._fit(x.shape)
        return self.step(x, self._state(x, state), modulation)

    def forward(self, x: Tensor, state: State = None, modulation: Tensor | None = None) -> tuple[Tensor, State]:
        """A whole sequence; `modulation` is the signal of each step, `[T, B, …]`."""
        self._check_modulation(x, modulation)
        checked_input(self._name, x, "T, B", self.size)
        if len(x) == 0:
            raise ParameterError(f"{self._name}: x has the shape {list(x.shape)}: a sequence must have at least one step.")
        self._fit(x.shape[1:])
        state, outputs = self._state(x[0], state), []
        for t in range(len(x)):
            spikes, state = self.step(x[t], state, None if modulation is None else modulation[t])
            outputs.append(spikes)
        return torch.stack(outputs), state

    def _fit(self, shape: torch.Size) -> None:
        for part in (self.neuron, *self._mechanisms):
            fit_parameters(part, shape)

    def _check_modulation(self, x: Tensor, modulation: Any) -> None:
        if modulation is None:
            return
        if not isinstance(modulation, Tensor) or modulation.shape != x.shape:
            given = list(modulation.shape) if isinstance(modulation, Tensor) else type(modulation).__name__
            raise ParameterError(f"WithFeedback: modulation must be a tensor in the shape of x, {list(x.shape)}; not {given}.")
        if not any(isinstance(m, Neuromodulation) for m in self._mechanisms):
            raise ParameterError("WithFeedback: modulation is given, but no rt.Neuromodulation() among the mechanisms takes it.")

    def step(self, x: Tensor, state: FeedbackState, modulation: Tensor | None = None, **changes: Any) -> tuple[Tensor, FeedbackState]:
        dtype = computing_dtype(x)
        firing = self.neuron.firing
        drive = Drive(x.to(dtype), None if firing is None else of_dtype(firing.slope.value, dtype), modulation)
        for mechanism, of_mechanism in zip(self._mechanisms, state.mechanisms, strict=True):
            drive = mechanism.apply_to(drive, of_mechanism)
        slope = {} if drive.slope is None else {"slope": drive.slope}
        spikes, neuron = self.neuron.step(drive.x, state.neuron, **{**slope, **changes})
        after = tuple(m.after(s, spikes) for m, s in zip(self._mechanisms, state.mechanisms, strict=True))
        return spikes.to(x.dtype), FeedbackState(neuron, after)
