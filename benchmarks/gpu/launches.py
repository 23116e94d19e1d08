"""How many kernels a step of each ready-made model launches on a GPU, counted in what XLA compiles for one. No GPU is needed.

Needs the CUDA plugin of the JAX that is installed (134 MB, nothing else of CUDA), in a place of its own, lest JAX looks for a GPU:

    pip install --no-deps --target cuda jax-cuda13-plugin==VERSION jax-cuda13-pjrt==VERSION
    JAX_SKIP_CUDA_CONSTRAINTS_CHECK=1 PYTHONPATH=cuda python benchmarks/gpu/launches.py [MODEL …]

Prints JSON: for each model the launches of a step, and those of one turn of each loop within it (256 events each). The kernels of
our own are among them; RANVIER_KERNELS=reference counts without.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
import re
import sys
from typing import Any

import jax
import numpy as np
from jax.experimental import topologies
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import ranvier as rv
from ranvier.kernels import dispatch
from ranvier.models.catalogue import CATALOGUE
from ranvier.network import loop
from ranvier.network.transfer import enter
from ranvier.surroundings import inside

SCALE = {"cuba": 0.1, "coba": 0.1, "cobahh": 0.1, "vogels_abbott": 0.1, "dynamic_random_network": 0.2}
SMALL = {"brunel": 0.02, "microcircuit": 0.005, "inhibitory_balance": 0.02}
FREE = {"parameter", "get-tuple-element", "tuple", "constant", "bitcast"}


def computations(text: str) -> dict[str, list[str]]:
    """The instructions of each computation of an HLO module."""
    found: dict[str, list[str]] = {}
    name = None
    for line in re.sub(r"/\*.*?\*/", "", text).splitlines():
        head = re.match(r"^(?:ENTRY )?%?([\w.\-]+) \(.*\{$", line)
        if head:
            name = head[1]
            found[name] = []
        elif line.startswith("}"):
            name = None
        elif name is not None:
            found[name].append(line.strip())
    return found


def launches(parts: dict[str, list[str]], name: str) -> tuple[int, list[str]]:
    """How many instructions of a computation are launched, and the bodies of the loops among them."""
    count, bodies = 0, []
    for line in parts[name]:
        found = re.search(r"= (?:\(.*?\)|\S+) ([\w\-]+)\(", line)
        if found is None or found[1] in FREE:
            continue
        count += 1
        if found[1] == "while":
            body = re.search(r"body=%?([\w.\-]+)", line)
            assert body is not None
            bodies.append(body[1])
    return count, bodies


def of_model(model: Any, sharding: Any) -> dict[str, Any]:
    """The launches of a ready-made model's step."""
    scale = {**SCALE, **SMALL}.get(model.name)
    network = model.network(0, **({} if scale is None else {"scale": scale}))
    sim = rv.prepare(network, dt=model.dt, integrator=model.integrator, precision=model.precision, record=[])
    with inside():
        run = sim.start(10)
        state = enter(run.structure, run.state, run._pack, run.outside)
        args = run._arguments(state, loop.buffer_shapes(run.program, run.plan.widths), run.k1, run.k0)
        shape = lambda x: jax.ShapeDtypeStruct(np.shape(x), x.dtype if hasattr(x, "dtype") else np.asarray(x).dtype, sharding=sharding)
        with on_an_h200():
            lowered = loop.traced(run.program, jax.tree.map(shape, args)).lower()
        text = lowered.compile(compiler_options=dispatch.compiler_options("gpu")).as_text()
    parts = computations(text)
    entry = re.findall(r"^ENTRY %?([\w.\-]+)", text, re.M)[0]
    _, loops = launches(parts, entry)
    step, inner = launches(parts, loops[0])
    turns = [launches(parts, body) for body in inner]
    return {"step": step, "turns": [count for count, _ in turns], "nested": sum(len(bodies) for _, bodies in turns)}


def on_an_h200() -> contextlib.AbstractContextManager[Any]:
    """JAX 0.11 and newer ask which GPU a kernel is lowered for; older ones do not."""
    if not hasattr(jax.sharding, "AbstractDevice"):
        return contextlib.nullcontext()
    device = jax.sharding.AbstractDevice(device_kind="NVIDIA H200", num_cores=None, platform="gpu")
    return jax.sharding.use_abstract_mesh(jax.sharding.AbstractMesh((), (), abstract_device=device))


def main(names: list[str]) -> None:
    dispatch.platform = lambda: "gpu"
    dispatch.turns_at_once = lambda: 1  # what one step takes is asked
    config = pathlib.Path(__file__).with_name("h200.txtpb").read_text()
    topology = topologies.get_topology_desc(platform="cuda", topology="1x1x1", target_config=config)
    sharding = NamedSharding(Mesh(np.array(topology.devices), "d"), PartitionSpec())
    models = [model for model in CATALOGUE if not names or model.name in names]
    print(json.dumps({model.name: of_model(model, sharding) for model in models}))


if __name__ == "__main__":
    main(sys.argv[1:])
