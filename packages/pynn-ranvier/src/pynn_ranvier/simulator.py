"""The state of the simulation: a PyNN network, the Ranvier network made of it, and how far it has run."""

from __future__ import annotations

import dataclasses

import numpy as np
from pyNN import common

import ranvier as rv

name = "Ranvier"


class ID(int, common.IDMixin):
    """A neuron's number among all."""

    def __init__(self, n):
        int.__init__(n)
        common.IDMixin.__init__(self)


class State(common.control.BaseState):
    """What `setup` begins and `run` advances."""

    def __init__(self):
        common.control.BaseState.__init__(self)
        self.mpi_rank, self.num_processes = 0, 1
        self.dt, self.min_delay, self.max_delay = 0.1, "auto", "auto"
        self.seed, self.options = 0, {}
        self.clear()

    def clear(self):
        """Forgets every population and projection."""
        self.recorders = set()
        self.populations, self.projections, self.sources = [], [], []
        self.id_counter, self.segment_counter = 0, -1
        self.reset()

    def reset(self):
        """Back to time 0, with the network as it is."""
        self.running, self.t, self.t_start = False, 0.0, 0.0
        self.segment_counter += 1
        self.reached = self.simulation = None
        for recorder in self.recorders:
            recorder.forget()

    def changed(self):
        """The next run builds the network anew; where it goes on, from the state that it has reached."""
        self.simulation = None

    def set_now(self, population, variable, values):
        """Sets a variable of cells in the state that has been reached; NaN is left as it is."""
        if self.reached is None:
            return
        part, (name, scale) = self.built[id(population)].name, population.celltype.variables[variable]
        own = dict(self.reached.neurons[part])
        own[name] = np.where(np.isnan(values), np.asarray(own[name]), values / scale)
        self.reached = dataclasses.replace(self.reached, neurons={**self.reached.neurons, part: own})

    def run(self, simtime):
        """Goes on for `simtime` (ms)."""
        self.run_until(self.t + simtime)

    def run_until(self, tstop):
        """Goes on until `tstop` (ms)."""
        steps = round((tstop - self.t) / self.dt)
        self.running = True
        if steps <= 0:
            return
        if self.simulation is None:
            self._build()
        run = self.simulation.run(steps * self.dt, initial=self.reached)
        self.reached, self.latest = run.state, run
        first = self.t
        self.t = round(self.t / self.dt + steps) * self.dt
        for recorder in self.recorders:
            recorder.take(run, first)

    def _build(self):
        made = {id(p): p.build() for p in self.populations}
        parts = list(made.values())
        for projection in self.projections:
            parts += projection.build(made)
        self.network = rv.Network(*parts)
        self.built = made
        records = [record for recorder in self.recorders for record in recorder.records(made[id(recorder.population)])]
        options = {**self._methods(made), **self.options}
        self.simulation = rv.prepare(self.network, dt=self.dt, seed=self.seed, record=records, **options)

    def _methods(self, made):
        """The methods of cells that need another than Ranvier's choice at the steps that are usual with PyNN."""
        methods = {made[id(p)].name: p.celltype.method for p in self.populations if p.celltype.method is not None}
        return {"integrator": methods} if methods else {}

    def owners(self, ids):
        """Of neurons by their numbers among all: the population of each, by its place, and the neuron there."""
        firsts = np.array([int(p.first_id) for p in self.populations])
        place = np.searchsorted(firsts, ids, side="right") - 1
        return place, ids - firsts[place]


state = State()
