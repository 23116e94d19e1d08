"""What is recorded, from Ranvier's results."""

from __future__ import annotations

import numpy as np
from pyNN import recording
from pyNN.recording import Variable

import ranvier as rv

from . import simulator

_CONDUCTANCES = {"gsyn_exc": "excitatory", "gsyn_inh": "inhibitory"}


class Recorder(recording.Recorder):
    __doc__ = recording.Recorder.__doc__
    _simulator = simulator

    def __init__(self, population, file=None):
        super().__init__(population, file)
        self.forget()

    def forget(self):
        """Leaves what was recorded."""
        self._signals, self._spikes = {}, (np.zeros(0), np.zeros(0, np.int64))

    def _record(self, variable, new_ids, sampling_interval=None):
        if sampling_interval is not None:
            self.sampling_interval = sampling_interval
        if new_ids:
            simulator.state.changed()

    def _reset(self):
        self.forget()
        simulator.state.changed()

    def _clear_simulator(self):
        self.forget()
        self._recording_start_time = simulator.state.t * self._recording_start_time.units

    def records(self, population):
        """The records of Ranvier that it takes."""
        every, self._from = self.sampling_interval, {}
        names = []
        for variable in self.recorded:
            known = self.population.celltype.variables
            if variable.name in known:
                names.append(known[variable.name][0])
                self._from[variable.name] = (population.name, *known[variable.name])
            elif variable.name in _CONDUCTANCES:
                place, found = simulator.state.populations.index(self.population), None
                for projection in simulator.state.projections:
                    if projection.receptor_type == _CONDUCTANCES[variable.name]:
                        found = next((p for (t, _), (p, _) in getattr(projection, "made", {}).items() if t == place), found)
                if found is not None:
                    self._from[variable.name] = (found.name, "g", 1.0 / self.population.celltype.weights)
        made = [rv.Record(population, names, every=every)] if names else []
        synaptic = {source for source, name, _ in self._from.values() if name == "g"}
        return made + [rv.Record(source, "g", every=every) for source in sorted(synaptic)]

    def take(self, run, first):
        """Adds what a run recorded that began at `first` (ms)."""
        name = simulator.state.built[id(self.population)].name
        for variable in self.recorded:
            if variable.name == "spikes":
                spikes = run[name].spikes
                times = (spikes.steps + 1) * simulator.state.dt
                self._spikes = tuple(np.concatenate(pair) for pair in zip(self._spikes, (times, spikes.neurons), strict=True))
                continue
            source = self._from.get(variable.name)
            if source is None:
                rows = len(np.arange(0, round((simulator.state.t - first) / self.sampling_interval) + 1))
                values = np.zeros((rows, self.population.size))
            else:
                values = np.asarray(run[source[0]][source[1]].values) * source[2]
            before = self._signals.get(variable.name)
            self._signals[variable.name] = values if before is None else np.concatenate([before, values[1:]])

    def _get_spiketimes(self, id, clear=False):
        ids = [id] if not hasattr(id, "__len__") else id
        times, neurons = self._spikes
        order = np.argsort(neurons, kind="stable")
        ends = np.searchsorted(neurons[order], np.arange(self.population.size + 1))
        first = int(self.population.first_id)
        found = {int(i): times[order[ends[int(i) - first] : ends[int(i) - first + 1]]] for i in ids}
        return found if hasattr(id, "__len__") else found[int(id)]

    def _get_all_signals(self, variable, ids, clear=False):
        columns = np.array([int(i) - int(self.population.first_id) for i in ids], np.int64)
        values = self._signals.get(variable.name)
        return (np.zeros((0, len(columns))) if values is None else values[:, columns]), None

    def _local_count(self, variable, filter_ids=None):
        if variable.name != "spikes":
            raise recording.errors.RecordingError(variable, self.population.celltype)
        counts = np.bincount(self._spikes[1], minlength=self.population.size)
        chosen = self.filter_recorded(Variable("spikes", None, None), filter_ids)
        return {int(i): int(counts[int(i) - int(self.population.first_id)]) for i in chosen}
