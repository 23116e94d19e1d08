"""Neurapse's plastic random network: its code as one loop, and what of its rule a rule of Ranvier's can say.

`DRN_Plastic` reads a weight when its source fires, and weakens it then, before the spike has gone along the axon; Ranvier does both where
the spike arrives. Its synaptic kernels end 447 samples after the spike, with the weight of that time. The loop does either, so that
between the published numbers and Ranvier's there is nothing else.
"""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

import ranvier as rv

from .neurapse import DT, LIF, TAU, Scheme, kernel

N, EXCITATORY, STEPS, ENDS = 50, 40, 5000, 447
GAMMA, STRENGTHENING, WEAKENING, WINDOW = 0.4, 0.01, 0.07, 20.0  # ms
STRENGTH = 3000.0


@dataclass(frozen=True)
class Wiring:
    """Who reaches whom: weights, delays in samples, and how often a pair was drawn, each `[sources, targets]`; the last draw counts."""

    weight: np.ndarray
    delay: np.ndarray
    times: np.ndarray
    applied: np.ndarray

    @classmethod
    def of(cls, reference):
        weight, delay, times = np.zeros((N, N)), np.ones((N, N), int), np.zeros((N, N), int)
        for pre, (targets, delays) in enumerate(zip(reference["Fanout"], reference["delay_steps"], strict=True)):
            for post, d in zip(targets, delays, strict=True):
                weight[pre, post], delay[pre, post] = GAMMA * STRENGTH if pre < EXCITATORY else -STRENGTH, d
                times[pre, post] += 1
        applied = np.zeros((N, STEPS + ENDS))
        for at, neuron in zip(reference["poisson_idx"], reference["poisson_neuron"], strict=True):
            applied[neuron, at : at + ENDS] += STRENGTH * shape(ENDS)
        return cls(weight, delay, times, applied[:, :STEPS])


def shape(samples):
    return np.exp(-np.arange(samples) * DT / TAU) - np.exp(-4 * np.arange(samples) * DT / TAU)


def by_hand(wiring, *, at_arrival=False, ends=True):
    """Spikes (sample, neuron), weights, and their mean over `Fanout` after every step.

    Args:
        at_arrival: whether weights are read and weakened where a spike arrives, not where it is sent off.
        ends: whether synaptic kernels end.
    """
    w, current, alpha = wiring.weight.copy(), wiring.applied.copy(), shape(STEPS)
    V, fired, held = np.full(N, -70.0), np.zeros(N, bool), np.zeros(N, int)
    sent = [[] for _ in range(N)]
    first = np.full(N, STEPS)
    due, spikes, means = {}, [], []

    def send(i, j, begin, spike):
        until = min(spike + ENDS if ends else STEPS, STEPS)
        if until > begin:
            current[j, begin:until] += w[i, j] * alpha[: until - begin]

    def weaken(i, j, t, newest):
        if i < EXCITATORY and first[j] < newest:
            for _ in range(wiring.times[i, j]):
                w[i, j] -= w[i, j] * WEAKENING * GAMMA * np.exp(-(t - first[j]) * DT / WINDOW)

    for t in range(STEPS):
        new = V + (30.0 * (-70.0 - V) + current[:, t]) / 300.0 * (DT - 30.0 * DT**2 / 600.0)
        held[fired] = 20
        new[held > 0] = -70.0
        held = np.maximum(held - 1, 0)
        fired = new >= 20.0
        new[fired], V = 200.0, new
        who = np.flatnonzero(fired)
        for i in who:
            spikes.append((t + 1, int(i)))
            sent[i].append(t)
            for j in np.flatnonzero(w[i]):
                if at_arrival:
                    due.setdefault(t + wiring.delay[i, j] - 1, []).append((i, j, t))
                else:
                    send(i, j, t + wiring.delay[i, j], t)
        for i, j, spike in sorted(due.pop(t, [])):
            send(i, j, t + 1, spike)
            weaken(i, j, t, t)
        for j in who:
            for i in np.flatnonzero(w[:EXCITATORY, j]):
                ages = [t - s - 1 - wiring.delay[i, j] for s in reversed(sent[i])]
                age = next((age for age in ages if age > 0), None)
                if age is not None:
                    w[i, j] += w[i, j] * STRENGTHENING * GAMMA * np.exp(-age * DT / WINDOW)
        if not at_arrival:
            for i in who:
                for j in np.flatnonzero(w[i]):
                    weaken(i, j, t, t - 1)
        first[who] = np.minimum(first[who], t)
        means.append((w * wiring.times)[:EXCITATORY].sum() / wiring.times[:EXCITATORY].sum())
    return [s for s in spikes if s[0] < STEPS], w, np.array(means)


class AsPublished(rv.PlasticityRule):
    """The rule of `DRN_Plastic` as its code has it, at arrivals.

    Weakening compares an arrival with the first spike that its target ever fired, and is done as often as the pair was drawn.
    Strengthening compares a spike with the last arrival but those of the last three steps, as if they came two steps later than they do.
    """

    gamma: float = rv.parameter(GAMMA, "1")
    tau: float = rv.parameter(WINDOW, "ms")
    times: float = rv.parameter(1.0, "1")

    def pre_traces(self):
        return {"last": rv.plasticity.Trace(self.tau, nearest=True)}

    def edge_state(self):
        return {"first": self.tau, "one before": self.tau}

    def on_pre(self, edge, pre, post, third):
        weight = edge["weight"] * (1.0 - WEAKENING * self.gamma * edge["first"]) ** self.times
        return {"weight": weight, "one before": pre["last"]}

    def on_post(self, edge, pre, post, third):
        steps = lambda n: jnp.exp(n * post["dt"] / self.tau)
        seen = jnp.where(pre["last"] > steps(-2.5), edge["one before"], pre["last"]) * steps(2.0)
        weight = edge["weight"] * (1.0 + STRENGTHENING * self.gamma * seen)
        return {"weight": weight, "first": jnp.where(edge["first"] > 0, edge["first"], 1.0)}


def network(wiring):
    """With `AsPublished`; one that was drawn twice has projections of its own."""
    current = rv.stimuli.Sampled(wiring.applied.T, every=DT)
    cells = rv.Population(N, rv.neurons.LeakyIntegrateAndFire(**LIF), current=current, name="cells")
    excitatory = np.arange(N)[:, None] < EXCITATORY
    parts = kernel(cells, cells, np.where(excitatory, 0.0, wiring.weight).T, wiring.delay.T - 1)
    for times in range(1, wiring.times[:EXCITATORY].max() + 1):
        these = excitatory & (wiring.times == times)
        rule = AsPublished(times=float(times))
        parts += kernel(cells, cells, np.where(these, wiring.weight, 0.0).T, wiring.delay.T - 1, rule=rule, name=f"drawn {times}")
    return rv.Network(cells, *parts)


def run(wiring):
    return rv.simulate(network(wiring), duration=STEPS * DT, dt=DT, integrator=Scheme(), record=[])
