"""Setting up, running, ending."""

from __future__ import annotations

from pyNN import common
from pyNN.common.control import DEFAULT_MAX_DELAY, DEFAULT_MIN_DELAY, DEFAULT_TIMESTEP
from pyNN.connectors import FixedProbabilityConnector
from pyNN.recording import get_io

from . import simulator
from .populations import Population
from .projections import Projection
from .standardmodels import StaticSynapse


def setup(timestep=DEFAULT_TIMESTEP, min_delay=DEFAULT_MIN_DELAY, **extra_params):
    """Begins anew.

    Args:
        timestep: the step (ms).
        min_delay: the shortest delay (ms).
        extra_params: `max_delay`; `seed` of what Ranvier draws (Poisson sources, noise); and what `ranvier.prepare` takes, such as
            `precision="single"` or `integrator=`.
    """
    max_delay = extra_params.pop("max_delay", DEFAULT_MAX_DELAY)
    common.setup(timestep, min_delay, max_delay=max_delay)
    state = simulator.state
    state.clear()
    state.dt, state.min_delay, state.max_delay = float(timestep), min_delay, max_delay
    state.seed = extra_params.pop("seed", 0)
    state.options = {name: value for name, value in extra_params.items() if name in ("precision", "integrator")}
    return rank()


def end(compatible_output=True):
    """Writes what was asked for."""
    for population, variables, filename in simulator.state.write_on_end:
        population.write_data(get_io(filename), variables)
    simulator.state.write_on_end = []


run, run_until = common.build_run(simulator)
run_for = run
reset = common.build_reset(simulator)
initialize = common.initialize
get_current_time, get_time_step, get_min_delay, get_max_delay, num_processes, rank = common.build_state_queries(simulator)
create = common.build_create(Population)
connect = common.build_connect(Projection, FixedProbabilityConnector, StaticSynapse)
record = common.build_record(simulator)


def record_v(source, filename):
    """Records the potential of cells to a file."""
    return record(["v"], source, filename)


def record_gsyn(source, filename):
    """Records the conductances of cells to a file."""
    return record(["gsyn_exc", "gsyn_inh"], source, filename)
