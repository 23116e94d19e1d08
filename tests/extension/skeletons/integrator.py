"""An integrator of your own: one step of any system of equations."""

from dataclasses import dataclass

import jax

import ranvier as rv


@dataclass(frozen=True)
class Kutta3(rv.Integrator):
    """Kutta's method with three slopes (1901). Third order."""

    order = 3

    def step(self, system, state, memory, t, t_next, key=None):
        h = system.interval(t, t_next)  # the state may be an array, or a tree of them

        def moved(*terms):
            slopes = (slope for _, slope in terms)
            return jax.tree.map(lambda x, *ks: x + h * sum(w * k for (w, _), k in zip(terms, ks, strict=True)), state, *slopes)

        k1 = system.rate(state, t)
        k2 = system.rate(moved((1 / 2, k1)), t + (t_next - t) / 2)
        k3 = system.rate(moved((-1.0, k1), (2.0, k2)), t_next)  # t_next itself, which t + h may miss by a bit
        return moved((1 / 6, k1), (2 / 3, k2), (1 / 6, k3)), memory
