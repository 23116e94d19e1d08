"""Edges that spikes are delivered along: drawn, weighted, delayed, and sorted for delivery."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from ranvier import units
from ranvier.connect.base import ConnectionRule, Edges
from ranvier.errors import ParameterError
from ranvier.kernels.deliver_events import sort_edges
from ranvier.network.common import in_steps
from ranvier.random import Distribution, Key


class EventEdges(NamedTuple):
    delays: np.ndarray
    segments: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    bounds: np.ndarray


@dataclasses.dataclass(frozen=True)
class EventPart:
    """One projection's share of the edges onto one set of states.

    Attributes:
        block: the projection's targets that are meant.
        own: where the sources begin among the targets, or None.
        pre_offset: the number of the first source in the history of spikes.
        post_offset: what is added to the number of a target to have the number of its state.
        unit: of a weight.
        conductance: whether weights must not be negative.
        onto_edges: whether each edge has a state of its own, at its own number.
    """

    name: str
    rule: ConnectionRule
    sources: int
    targets: int
    block: range
    own: int | None
    key: Key
    pre_offset: int
    post_offset: int
    weight: Any
    delay: Any
    unit: str
    conductance: bool
    onto_edges: bool = False

    def edges(self) -> Edges:
        return self.rule.edges(self.sources, self.targets, range(self.targets), self.own, self.key.child("edges"))

    def weights(self, edges: Edges) -> np.ndarray:
        name = self.name
        weight = units.magnitude(self.weight, self.unit, f"The weight of {name}")
        if isinstance(weight, Distribution):
            weight = weight.draw(self.key.child("weight"), len(edges))
        array = np.asarray(weight, np.float64)
        if array.ndim == 2 and array.shape[0] in (1, self.targets) and array.shape[1] in (1, self.sources):
            array = np.broadcast_to(array, (self.targets, self.sources))[edges.post, edges.pre]
        elif array.shape not in ((), (len(edges),)):
            raise ParameterError(
                f"The weight of {name} has the shape {array.shape}. It must be one number, one an edge ({len(edges)}), "
                f"a column ({self.targets}, 1), a row (1, {self.sources}) or a matrix ({self.targets}, {self.sources})."
            )
        array = np.broadcast_to(array, (len(edges),)) * (1.0 if edges.values is None else edges.values)
        if not np.isfinite(array).all():
            raise ParameterError(f"The weight of {name} is not finite for edge {int(np.flatnonzero(~np.isfinite(array))[0])}.")
        if self.conductance and (array < 0).any():
            raise ParameterError(
                f"The weight of {name} is {array.min():g} for edge {int(array.argmin())}, but a conductance cannot be negative. "
                "Inhibition comes from the reversal potential."
            )
        return array

    def delays(self, edges: Edges, dt: float) -> np.ndarray:
        name = self.name
        delay = units.magnitude(self.delay, "ms", f"The delay of {name}")
        if isinstance(delay, Distribution):
            delay = delay.draw(self.key.child("delay"), len(edges))
        array = np.asarray(delay, np.float64)
        if array.shape not in ((), (len(edges),)):
            raise ParameterError(f"The delay of {name} has the shape {array.shape}. It must be one number, or one an edge ({len(edges)},).")
        if not (np.isfinite(array) & (array >= 0)).all():
            raise ParameterError(f"The delay of {name} must be finite and not negative; it is {np.min(array):g} ms.")
        return in_steps(array, dt, f"The delay of {name}")


def assemble(parts: list[EventPart], sources: int, targets: int, dt: float, dtype: str) -> EventEdges:
    pres, posts, weights, delays = [], [], [], []
    for part in parts:
        edges = part.edges()
        weight, delay = part.weights(edges), np.broadcast_to(part.delays(edges, dt), (len(edges),))
        mine = (edges.post >= part.block.start) & (edges.post < part.block.stop)
        post = np.arange(len(edges)) if part.onto_edges else edges.post + part.post_offset
        pres.append(edges.pre[mine] + part.pre_offset)
        posts.append(post[mine])
        weights.append(weight[mine])
        delays.append(delay[mine])
    made, order = sort_edges(np.concatenate(pres), np.concatenate(posts), np.concatenate(delays), sources, targets)
    return EventEdges(made.delays, made.segments, made.target, np.concatenate(weights)[order].astype(dtype), made.bounds)
