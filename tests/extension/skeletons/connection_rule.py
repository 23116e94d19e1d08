"""A connection rule of your own: who is wired to whom."""

import dataclasses

import numpy as np

from ranvier.connect import ConnectionRule, Edges


@dataclasses.dataclass(frozen=True)
class SmallWorld(ConnectionRule):
    """Each neuron from its nearest neighbours on a ring, some of them replaced by any other (after Watts & Strogatz 1998)."""

    neighbours: int
    rewiring: float

    def edges(self, sources, targets, block, own, key):
        post = np.repeat(np.arange(block.start, block.stop), self.neighbours)
        first = block.start * self.neighbours  # an edge's number among all, so that every block draws the same
        near = (post + np.tile(np.arange(1, self.neighbours + 1), len(block))) % sources
        anyone = (key.child("anyone").uniform(len(post), first) * sources).astype(int)
        pre = np.where(key.child("rewired").uniform(len(post), first) < self.rewiring, anyone, near)
        order = np.lexsort((pre, post))  # by target, then source
        return Edges(pre[order].astype(np.int32), post[order].astype(np.int32))
