"""What is recorded, from Ranvier's results."""

from __future__ import annotations

import numpy as np
import quantities as pq
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
        self._recorded_before = {}
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
        made = []
        for variable in self.recorded:
            known, columns = self.population.celltype.variables, self._columns(variable)
            if variable.name in known:
                name, scale = known[variable.name]
                self._from[variable.name] = (population.name, name, scale)
                made.append(rv.Record(population, name, every=every, neurons=columns))
            elif variable.name in _CONDUCTANCES:
                place, found = simulator.state.populations.index(self.population), None
                for projection in simulator.state.projections:
                    if projection.receptor_type == _CONDUCTANCES[variable.name]:
                        found = next((p for (t, _), (p, _) in getattr(projection, "made", {}).items() if t == place), found)
                if found is not None:
                    self._from[variable.name] = (found.name, "g", 1.0 / self.population.celltype.weights)
                    made.append(rv.Record(found.name, "g", every=every, neurons=columns))
        return made

    def _columns(self, variable):
        """The neurons that a variable is recorded of, in the order of its values."""
        return np.array(sorted(int(i) - int(self.population.first_id) for i in self.recorded[variable]), np.int64)

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
                values = np.zeros((rows, len(self._columns(variable))))
            else:
                values = np.asarray(run[source[0]][source[1]].values) * source[2]
            before = self._widened(variable, values.shape[1])
            self._signals[variable.name] = values if before is None else np.concatenate([before, values[1:]])

    def _widened(self, variable, width):
        """What was recorded of a variable before, with NaN for neurons that are recorded since."""
        before, columns = self._signals.get(variable.name), self._columns(variable)
        if before is not None and before.shape[1] != width:
            known = np.isin(columns, self._recorded_before[variable.name])
            before, narrow = np.full((len(before), width), np.nan), before
            before[:, known] = narrow
        self._recorded_before[variable.name] = columns
        return before

    def _get_spiketimes(self, id, clear=False):
        times, neurons = self._spikes
        ids = neurons + int(self.population.first_id)
        if not hasattr(id, "__len__"):
            return times[ids == int(id)]
        chosen = np.isin(ids, np.array([int(i) for i in id], np.int64))
        return ids[chosen], pq.Quantity(times[chosen], pq.dimensionless)

    def _get_all_signals(self, variable, ids, clear=False):
        values, recorded = self._signals.get(variable.name), self._columns(variable)
        columns = np.searchsorted(recorded, np.array([int(i) - int(self.population.first_id) for i in ids], np.int64))
        return (np.zeros((0, len(columns))) if values is None else values[:, columns]), None

    def _local_count(self, variable, filter_ids=None):
        if variable.name != "spikes":
            raise recording.errors.RecordingError(variable, self.population.celltype)
        counts = np.bincount(self._spikes[1], minlength=self.population.size)
        chosen = self.filter_recorded(Variable("spikes", None, None), filter_ids)
        return {int(i): int(counts[int(i) - int(self.population.first_id)]) for i in chosen}
