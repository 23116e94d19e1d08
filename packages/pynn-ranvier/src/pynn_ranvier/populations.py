"""Populations, views and assemblies."""

from __future__ import annotations

import numpy as np
from pyNN import common
from pyNN.parameters import ParameterSpace, simplify
from pyNN.standardmodels import StandardCellType

import ranvier as rv

from . import simulator
from .recording import Recorder


class Assembly(common.Assembly):
    __doc__ = common.Assembly.__doc__
    _simulator = simulator


class _Cells:
    """What populations and views have in common: parameters by name."""

    def _get_view(self, selector, label=None):
        return PopulationView(self, selector, label)

    def _get_parameters(self, *names):
        return self.celltype.reverse_translate(self._get_native_parameters(*self.celltype.get_native_names(*names)))

    def _get_native_parameters(self, *names):
        owner, mine = self._mine()
        return ParameterSpace({name: simplify(owner._parameters[name][mine]) for name in names}, shape=(self.size,))

    def _set_parameters(self, parameter_space):
        owner, mine = self._mine()
        parameter_space.evaluate(simplify=False)
        for name, value in parameter_space.items():
            owner._parameters[name][mine] = value
        simulator.state.changed()

    def _set_initial_value_array(self, variable, initial_values):
        owner, mine = self._mine()
        if variable not in owner.celltype.variables:
            return
        values = owner._initial.setdefault(variable, np.full(owner.size, np.nan))
        values[mine] = initial_values.evaluate(simplify=False)
        simulator.state.changed()
        simulator.state.set_now(owner, variable, values)


class PopulationView(_Cells, common.PopulationView):
    __doc__ = common.PopulationView.__doc__
    _assembly_class = Assembly
    _simulator = simulator

    def _mine(self):
        return self.grandparent, self.index_in_grandparent(np.arange(self.size))


class Population(_Cells, common.Population):
    __doc__ = common.Population.__doc__
    _simulator = simulator
    _recorder_class = Recorder
    _assembly_class = Assembly

    def _mine(self):
        return self, slice(None)

    def _create_cells(self):
        state = simulator.state
        if not isinstance(self.celltype, StandardCellType):
            raise NotImplementedError("Cells are those of PyNN's standard models.")
        self.all_cells = np.array([simulator.ID(state.id_counter + i) for i in range(self.size)], dtype=simulator.ID)
        self._mask_local = np.ones(self.size, bool)
        for cell in self.all_cells:
            cell.parent = self
        state.id_counter += self.size
        space = self.celltype.native_parameters
        space.shape = (self.size,)
        space.evaluate(simplify=False)
        self._parameters = {name: np.array(value) for name, value in space.as_dict().items()}
        self._initial, self.injected = {}, []
        state.populations.append(self)
        state.changed()

    def build(self):
        """The population of Ranvier."""
        given, kind = self._parameters, self.celltype
        offset = kind.offset(given)
        current = None
        if offset is not None:
            current = rv.stimuli.Constant(kind.scale * offset)
            for neurons, source in self.injected:
                mask = np.zeros(self.size)
                mask[neurons] = 1.0
                current = current + mask * source.stimulus(kind.scale)
        start = {}
        for variable, values in self._initial.items():
            name, scale = kind.variables[variable]
            start[name] = values / scale
        number = simulator.state.populations.index(self)
        return rv.Population(self.size, kind.model(given), initial=start or None, current=current, name=f"population {number}")
