"""The networks of Neurapse: three neurons onto two by chosen delays, and a random network with delays."""

from __future__ import annotations

from typing import Any

import numpy as np

from ranvier import doors
from ranvier.connect import edge_list, fixed_out_degree
from ranvier.connect import fanout as wired
from ranvier.errors import ParameterError
from ranvier.models.scaled import checked_scale, scaled
from ranvier.network.spec import Network, PoissonInput, Population, Projection
from ranvier.neurons import LeakyIntegrateAndFire
from ranvier.plasticity import ProportionalSTDP
from ranvier.random import Key
from ranvier.stimuli import SquarePulse
from ranvier.synapses import DoubleExponentialCurrent

CELL = {"capacitance": 300.0, "leak": 30.0, "rest": -70.0, "threshold": 20.0, "reset_potential": -70.0, "refractory": 2.0}
DECAY = 15.0  # ms; the rise is a quarter of it
PEAK = 4 ** (-1 / 3) - 4 ** (-4 / 3)
"""What `exp(-t/τ) - exp(-4t/τ)` is at most: Neurapse's weight `w` makes a current of at most `w · PEAK` pA."""

FANOUT = ((0, 1), (0, 1), (0, 1))
WEIGHT = ((3000.0, 3000.0),) * 3
DELAY = ((1.0, 8.0), (5.0, 5.0), (9.0, 1.0))  # ms
ONSET, LENGTH, AMPLITUDE = (0.0, 4.0, 8.0), 1.1, 50_000.0  # ms, ms, pA

NEURONS, EXCITATORY, OUT_DEGREE, DRIVEN = 200, 160, 20, 25
RATE, STRENGTH = 100.0, 3000.0  # Hz; in units of Neurapse's w
STRENGTHENING, WEAKENING = 0.01, 0.07  # shares of the weight
AXONS, INHIBITORY_DELAY = (1.0, 20.0), 1.0  # ms
GRID = 0.1  # ms: delays are multiples of it


def _lists(value: Any, what: str) -> list[list[Any]]:
    """A list for each source."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, list | tuple) or not all(isinstance(row, list | tuple | np.ndarray) for row in value):
        raise doors.refusal(what, value, "a list for each source, such as [[0, 1], [0, 1], [0, 1]]")
    return [list(row) for row in value]


def _number_lists(value: Any, what: str) -> list[np.ndarray]:
    rows = enumerate(_lists(value, what))
    return [doors.numbers(row, f"{what}[{source}]", rank=1, example="[1.0, 8.0]") for source, row in rows]


def _refuse_other_shape(rows: list[np.ndarray], what: str, fanout: list[list[Any]]) -> None:
    if [len(row) for row in rows] != [len(row) for row in fanout]:
        raise ParameterError(
            f"{what} has lists of {[len(row) for row in rows]} numbers and fanout of {[len(row) for row in fanout]}: one is needed "
            "for each target of each source."
        )


@doors.checked(fanout=_lists, weight=_number_lists, delay=_number_lists, onset=doors.anything)
def feedforward(fanout: Any = FANOUT, weight: Any = WEIGHT, delay: Any = DELAY, *, onset: Any = ONSET) -> Network:
    """Neurons that fire once each, onto neurons that fire if the spikes arrive together: delays make a detector of one order.

    Args:
        fanout: for each source the list of its targets, counted from 0.
        weight: likewise, Neurapse's `w`: each spike makes a current `w (exp(-t/15) - exp(-4t/15))` in pA (t in ms).
        delay: likewise, from the spike to its arrival (ms).
        onset: when each source's pulse of 50 nA begins, which lasts 1.1 ms (ms): one number a source.

    Returns:
        A network with the populations `"pre"` and `"post"`. Run it with `dt=0.1` for
        100 ms; it is linear, so it is advanced exactly. Expect one spike of `"post"` 1
        at 22.4 ms and none of 0; with the onsets 7, 3 and 0 ms it is 0 that fires.

    Source: Neurapse (github.com/udion/Neurapse), `example_NNetwork_const.py`, after Izhikevich 2006, Neural Comput 18:245.

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(rv.models.feedforward(), duration=30.0, dt=0.1)
        >>> run["post"].spikes.counts.tolist()
        [0, 1]
    """
    given = doors.numbers(onset, "onset", rank=1, example="[0.0, 4.0, 8.0]")
    if len(given) != len(fanout):
        raise ParameterError(f"onset has {len(given)} times and fanout {len(fanout)} sources: there is one pulse for each source.")
    cell = LeakyIntegrateAndFire(**CELL)
    for what, rows in (("weight", weight), ("delay", delay)):
        _refuse_other_shape(rows, what, fanout)
    connect = wired(fanout, [PEAK * np.asarray(row) for row in weight], delay)
    targets = 1 + max((int(target) for row in fanout for target in row), default=0)
    pulse = SquarePulse(AMPLITUDE, start=given, stop=given + LENGTH)
    pre = Population(len(fanout), cell, current=pulse, name="pre")
    post = Population(targets, cell, name="post")
    return Network(pre, post, Projection(pre, post, DoubleExponentialCurrent(rise=DECAY / 4, decay=DECAY), connect, name="synapses"))


@doors.checked(scale=checked_scale, gamma=doors.not_negative, plastic=doors.flag, seed=doors.seed)
def dynamic_random_network(*, scale: float = 1.0, gamma: float = 1.0, plastic: bool = False, seed: int = 0) -> Network:
    """A random network of excitatory and inhibitory neurons with delays of 1 to 20 ms, of which some are driven.

    Args:
        scale: the number of neurons as a share of the published 200. Each keeps its 20
            targets (all others below that many neurons), and an eighth of them is driven.
        gamma: the excitatory weights as a share of the published 3000: Neurapse has 1
            and 0.77 with constant weights, 1 and 0.4 with plastic ones.
        plastic: whether excitatory weights change, by `ProportionalSTDP` with shares of
            0.01 and 0.07, both times gamma.
        seed: who is wired to whom is drawn from this, and with which delay.

    Returns:
        A network with the populations `"exc"` (four fifths) and `"inh"`. Run it with
        `dt=0.1` for 2000 ms; it is linear, so it is advanced exactly. The first neurons
        of `"exc"` hear Poisson spikes of 100 Hz, each a synaptic current like those of
        the network. Expect 7 to 13 Hz (`"exc"`) and 15 to 35 Hz (`"inh"`) with gamma = 0.4,
        7 to 16 Hz and 50 to 100 Hz with 0.77. With 1, some seeds end at
        the 440 Hz that the refractory period allows; the others stay at 9 to 26 Hz and 85 to 190 Hz.
        With plastic weights these fall from the start, as the rule weakens seven times as much as it strengthens.

    Excitatory neurons reach all others, inhibitory ones the excitatory alone, with the
    opposite weight and a delay of 1 ms. No pair is wired twice, as Neurapse's text says
    (its code draws with replacement, and keeps the last of two).

    Source: Neurapse (github.com/udion/Neurapse), `example_DRN.py`, after Izhikevich 2006, Neural Comput 18:245.

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(rv.models.dynamic_random_network(), duration=100.0, dt=0.1, seed=1)
        >>> run["exc"].spikes.n, run["inh"].spikes.n, len(run.spikes) > 500
        (160, 40, True)
    """
    neurons = scaled(NEURONS, scale)
    n_exc = max(1, round(neurons * EXCITATORY / NEURONS))
    n_inh = max(1, neurons - n_exc)
    driven = max(1, round(neurons * DRIVEN / NEURONS))
    cell, synapse = LeakyIntegrateAndFire(**CELL), DoubleExponentialCurrent(rise=DECAY / 4, decay=DECAY)
    exc, inh = Population(n_exc, cell, name="exc"), Population(n_inh, cell, name="inh")
    weight, key = STRENGTH * PEAK, Key(seed).child("dynamic random network")
    rule = ProportionalSTDP(potentiation=gamma * STRENGTHENING, depression=gamma * WEAKENING) if plastic else None
    degree = min(OUT_DEGREE, n_exc + n_inh - 1)
    drawn = fixed_out_degree(degree, autapses=False, multapses=False).edges(n_exc, n_exc + n_inh, range(n_exc + n_inh), 0, key)
    delays = GRID * np.rint((AXONS[0] + (AXONS[1] - AXONS[0]) * key.child("delays").uniform(len(drawn))) / GRID)
    excitation = []
    for target, first in ((exc, 0), (inh, n_exc)):
        these = (drawn.post >= first) & (drawn.post < first + target.n)
        connect = edge_list(drawn.pre[these], drawn.post[these] - first)
        name, given = f"exc→{target.name}", delays[these]
        excitation.append(Projection(exc, target, synapse, connect, weight=gamma * weight, delay=given, plasticity=rule, name=name))
    fewer = fixed_out_degree(min(OUT_DEGREE, n_exc), multapses=False)
    return Network(
        exc,
        inh,
        *excitation,
        Projection(inh, exc, synapse, fewer, weight=-weight, delay=INHIBITORY_DELAY, name="inh→exc"),
        PoissonInput(exc, synapse, rate=np.where(np.arange(n_exc) < driven, RATE, 0.0), weight=weight, name="drive"),
    )
