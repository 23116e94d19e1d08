"""The few hot operations: each a plain-JAX reference beside its native version, under one name and one contract."""

from ranvier.kernels.compact_spikes import compact_spikes as compact_spikes
from ranvier.kernels.deliver_events import DelayedEdges as DelayedEdges
from ranvier.kernels.deliver_events import SpikeHistory as SpikeHistory
from ranvier.kernels.deliver_events import deliver_events as deliver_events
from ranvier.kernels.deliver_events import empty_history as empty_history
from ranvier.kernels.deliver_events import note_spikes as note_spikes
from ranvier.kernels.deliver_events import sort_edges as sort_edges
from ranvier.kernels.dispatch import native_available as native_available
from ranvier.kernels.draws import Streams as Streams
from ranvier.kernels.draws import add_poisson as add_poisson
from ranvier.kernels.draws import bernoulli as bernoulli
from ranvier.kernels.draws import normals as normals
from ranvier.kernels.draws import poisson_counts as poisson_counts
from ranvier.kernels.draws import poisson_table as poisson_table
from ranvier.kernels.draws import uniforms as uniforms
from ranvier.kernels.incoming import Incoming as Incoming
from ranvier.kernels.incoming import index_by_target as index_by_target
from ranvier.kernels.integrate_and_fire import LinearForm as LinearForm
from ranvier.kernels.integrate_and_fire import Moving as Moving
from ranvier.kernels.integrate_and_fire import NeuronEquations as NeuronEquations
from ranvier.kernels.integrate_and_fire import integrate_and_fire as integrate_and_fire
from ranvier.kernels.plasticity import WeightChange as WeightChange
from ranvier.kernels.plasticity import deliver_and_learn as deliver_and_learn
from ranvier.kernels.plasticity import learn_at_targets as learn_at_targets
from ranvier.kernels.weighted_sum import weighted_sum as weighted_sum
from ranvier.kernels.weighted_sum import weighted_sum_dense as weighted_sum_dense
