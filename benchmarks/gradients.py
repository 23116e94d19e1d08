"""What the gradient of a 500 ms Hodgkin–Huxley trace by six parameters costs, beside the run itself, and beside Jaxley.

    python benchmarks/gradients.py [--rounds N] [--quick]

Ranvier's gradient forwards (what `rv.fit` takes for few parameters: it keeps no states) and backwards, with about 2 √steps states
and with all. Exponential Euler with 0.025 ms; the loss is the mean of V². Memory is what XLA sets aside beside arguments and results.

XLA launches the operations of a loop one by one, which is most of what a gradient of one cell costs, unless its step touches less than
1 kB. Ranvier has it make one function of its small loops (`ranvier/kernels/one_function.py`).
"""

import importlib.util
import time

import harness
import jax
import jax.numpy as jnp
import numpy as np

import ranvier as rv

DT = 0.025
NAMES = [
    "cell.sodium.conductance",
    "cell.potassium.conductance",
    "cell.leak.conductance",
    "cell.sodium.reversal",
    "cell.potassium.reversal",
    "cell.leak.reversal",
]


def compiled(function, *arguments):
    """The compiled function, the seconds that took, and the bytes it works in."""
    began = time.perf_counter()
    made = jax.jit(function).lower(*arguments).compile()
    return made, time.perf_counter() - began, made.memory_analysis().temp_size_in_bytes


def ranvier_contenders(steps):
    pulse = rv.stimuli.SquarePulse(10.0, start=5.0, stop=0.9 * steps * DT)
    cell = rv.Population(1, rv.neurons.HodgkinHuxley(), current=pulse, name="cell")
    sim = rv.prepare(cell, dt=DT, integrator=rv.ExponentialEuler(), record=[rv.Record("cell", "V")])
    state, values = sim.state(), jnp.array([float(sim.parameters[name]) for name in NAMES])

    def loss(memory):
        run = sim.function(steps, gradient_memory=memory)
        return lambda u: jnp.mean(run({name: u[i] for i, name in enumerate(NAMES)}, state)[1]["cell"]["V"] ** 2)

    forwards = lambda u: jax.vmap(lambda e: jax.jvp(loss("all"), (u,), (e,)), out_axes=(None, 0))(jnp.eye(len(NAMES)))
    kinds = {
        "run": loss("root"),
        "gradient, forwards": forwards,
        "gradient, backwards, 2 √steps states": jax.value_and_grad(loss("root")),
        "gradient, backwards, all states": jax.value_and_grad(loss("all")),
    }
    return {f"Ranvier: {name}": (*compiled(function, values), values) for name, function in kinds.items()}


def jaxley_contenders(steps):
    import jaxley as jx
    from jaxley.channels import HH

    cell = jx.Cell(jx.Branch(jx.Compartment(), ncomp=1), parents=[-1])
    cell.insert(HH())
    current = jx.step_current(i_delay=5.0, i_dur=0.9 * steps * DT - 5.0, i_amp=0.1, delta_t=DT, t_max=steps * DT)
    cell.stimulate(current)
    cell.record("v")
    for name in ("HH_gNa", "HH_gK", "HH_gLeak", "HH_eNa", "HH_eK", "HH_eLeak"):
        cell.make_trainable(name, verbose=False)
    parameters = cell.get_parameters()
    levels = [int(np.ceil(np.sqrt(steps + 1)))] * 2
    loss = lambda p: jnp.mean(jx.integrate(cell, params=p, delta_t=DT, checkpoint_lengths=levels) ** 2)
    kinds = {"run": loss, "gradient, backwards, 2 √steps states": jax.value_and_grad(loss)}
    return {f"Jaxley: {name}": (*compiled(function, parameters), parameters) for name, function in kinds.items()}


def measured(options, steps):
    """Seconds and bytes of each in this process, and what is missing."""
    with jax.enable_x64(True):
        contenders, missing = ranvier_contenders(steps), {}
        if importlib.util.find_spec("jaxley") is None:
            missing["Jaxley"] = "not installed"
        else:
            try:
                contenders |= jaxley_contenders(steps)
            except Exception as error:  # another version's interface
                missing["Jaxley"] = f"{type(error).__name__}: {error}"[:200]
        used = {name: [] for name in contenders}

        def call(name, made, given):
            def once():
                before = time.process_time()
                jax.block_until_ready(made(given))
                used[name].append(time.process_time() - before)

            return once

        seconds = harness.take_turns({name: call(name, made, given) for name, (made, _, _, given) in contenders.items()}, options.rounds)
    run_of = lambda name: f"{name.split(':')[0]}: run"
    rows = {
        name: {
            **seconds[name],
            "processor": min(used[name]),
            "compile": contenders[name][1],
            "bytes": contenders[name][2],
            "of the run": seconds[name]["median"] / seconds[run_of(name)]["median"],
            "of the run, processor": min(used[name]) / min(used[run_of(name)]),
        }
        for name in contenders
    }
    return rows, missing


def main():
    options = harness.arguments(__doc__.splitlines()[0])
    steps = 2_000 if options.quick else round(500 / DT)
    rows, missing = measured(options, steps)
    harness.save(__file__, options, {"steps": steps, "parameters": NAMES, "seconds": rows, "missing": missing})


if __name__ == "__main__":
    main()
