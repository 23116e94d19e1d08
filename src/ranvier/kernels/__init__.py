"""The few hot operations: each a plain-JAX reference beside its native version, under one name and one contract."""

from ranvier.kernels.compact_spikes import compact_spikes as compact_spikes
from ranvier.kernels.dispatch import native_available as native_available
from ranvier.kernels.weighted_sum import weighted_sum as weighted_sum
from ranvier.kernels.weighted_sum import weighted_sum_dense as weighted_sum_dense
