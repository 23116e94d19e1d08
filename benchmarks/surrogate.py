"""The surrogate gradient of 1 000 recurrent neurons over 1 s by their weights, beside Norse and snnTorch.

    python benchmarks/surrogate.py [--rounds N] [--quick]

Steps of 1 ms. Ranvier's network is sparse, a tenth of all pairs, with delays of 1 to 10 ms; the peers have neither, so that
theirs is the nearest they have: all pairs, one step later. snnTorch has Ranvier's surrogate (with its own default the gradient is NaN).
The loss is the mean square by which the neurons' rates miss a tenth of a spike a step; single precision, one thread of PyTorch. What
each takes is said of the clock and of the processor.
"""

import statistics
import time

import harness
import jax
import jax.numpy as jnp
import numpy as np
import torch

import ranvier as rv

N, SHARE, WANTED = 1000, 0.1, 0.1


def ranvier_gradient(steps):
    rng = np.random.default_rng(0)
    neuron = rv.neurons.LeakyIntegrateAndFire(capacitance=20.0, leak=1.0, rest=0.0, threshold=1.0, reset=0.0, refractory=0.0)
    cells = rv.Population(N, neuron, current=rng.uniform(0.8, 2.0, N), initial={"V": rv.uniform(0, 1)}, name="cells")
    pairs = rv.connect.pairwise_bernoulli(SHARE)
    loop = rv.Projection(
        cells, cells, rv.synapses.ExponentialCurrent(tau=5.0), pairs, weight=rv.normal(0.0, 0.05), delay=rv.uniform(1.0, 10.0), name="loop"
    )
    sim = rv.prepare(rv.Network(cells, loop), dt=1.0, precision="single", record=[])
    run, state = sim.function(steps, surrogate=rv.surrogates.FastSigmoid()), sim.state()
    weights = jnp.asarray(sim.parameters["loop.weight"], jnp.float32)

    def loss(weights):
        spikes = run({"loop.weight": weights}, state)[1]["cells"]["spikes"]
        return jnp.mean((spikes.mean(axis=0) - WANTED) ** 2), spikes.mean()

    made = jax.jit(jax.value_and_grad(loss, has_aux=True)).lower(weights).compile()

    def once():
        (_, rate), slope = jax.block_until_ready(made(weights))
        return float(rate), float(jnp.abs(slope).max())

    return once, weights.size


def pytorch_gradient(cell, weight, steps):
    """`cell` takes a current `[1, N]` and a state, and gives spikes and a state."""
    current = torch.from_numpy(np.random.default_rng(0).uniform(0.8, 2.0, (1, N)).astype(np.float32))

    def once():
        weight.grad, state, spikes = None, None, []
        for _ in range(steps):
            spike, state = cell(current, state)
            spikes.append(spike)
        seen = torch.stack(spikes)
        ((seen.mean(dim=0) - WANTED) ** 2).mean().backward()
        return float(seen.detach().mean()), float(weight.grad.abs().max())

    return once


def norse_gradient(steps):
    from norse.torch import LIFParameters, LIFRecurrentCell

    torch.manual_seed(0)
    cell = LIFRecurrentCell(N, N, p=LIFParameters(tau_mem_inv=torch.tensor(50.0), tau_syn_inv=torch.tensor(200.0)), dt=1e-3)
    with torch.no_grad():
        cell.input_weights.copy_(torch.eye(N))
        cell.recurrent_weights.normal_(0.0, 0.05 * SHARE**0.5)
    return pytorch_gradient(cell, cell.recurrent_weights, steps)


def snntorch_gradient(steps):
    import snntorch

    torch.manual_seed(0)
    same = snntorch.surrogate.fast_sigmoid(slope=25)
    neuron = snntorch.RLeaky(beta=float(np.exp(-1 / 20)), linear_features=N, spike_grad=same)
    with torch.no_grad():
        neuron.recurrent.weight.normal_(0.0, 0.05 * SHARE**0.5)

    def cell(current, state):
        spike, membrane = neuron.init_rleaky() if state is None else state
        state = neuron(0.05 * current, spike, membrane)
        return state[0], state

    return pytorch_gradient(cell, neuron.recurrent.weight, steps)


def main():
    options = harness.arguments(__doc__.splitlines()[0])
    steps = 50 if options.quick else 1000
    torch.set_num_threads(1)
    missing, used, facts = {}, {}, {}
    with jax.enable_x64(True):
        began = time.perf_counter()
        ours, edges = ranvier_gradient(steps)
        compiling = time.perf_counter() - began
        contenders = {"Ranvier": ours}
        for name, make in (("Norse", norse_gradient), ("snnTorch", snntorch_gradient)):
            try:
                contenders[name] = make(steps)
                facts[name] = contenders[name]()
            except ImportError as error:
                contenders.pop(name, None)
                missing[name] = str(error)
        facts["Ranvier"] = ours()

        def timed(name, call):
            def once():
                before = time.process_time()
                call()
                used.setdefault(name, []).append(time.process_time() - before)

            return once

        seconds = harness.take_turns({name: timed(name, call) for name, call in contenders.items()}, options.rounds)
    for name, row in seconds.items():
        row |= {
            "processor": statistics.median(used[name]),
            "spikes a neuron and step": facts[name][0],
            "largest slope": facts[name][1] if np.isfinite(facts[name][1]) else None,
        }
    result = {"neurons": N, "steps": steps, "edges": {"Ranvier": edges, "peers": N * N}, "compile": compiling}
    harness.save(__file__, options, {**result, "seconds": seconds, "missing": missing})


if __name__ == "__main__":
    main()
