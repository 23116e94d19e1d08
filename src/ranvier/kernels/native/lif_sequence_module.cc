// The LIF loops for `ranvier/torch/fused/native.py`: addresses of contiguous tensors, 0 for none. The caller keeps them alive.

#include "lif_sequence_module.h"

#include "lif_sequence.h"

namespace {

namespace nb = nanobind;
using Address = uintptr_t;

template <class T>
T* pointer(Address address) {
  return reinterpret_cast<T*>(address);
}

template <class T>
ranvier::LifState<T> state(Address v, Address left, Address threshold) {
  return {pointer<T>(v), pointer<int32_t>(left), pointer<T>(threshold)};
}

template <class T>
void bind(nb::module_& m, const char* sequence, const char* forward, const char* backward) {
  using Sequence = ranvier::LifSequence<T>;
  nb::class_<Sequence>(m, sequence)
      .def("__init__",
           [](Sequence* s, int64_t steps, int64_t elements, int64_t period, Address x, int64_t x_stride, Address noise, Address uniform,
              Address parameters, Address refractory, bool adaptive, bool by_subtraction, bool detach_reset, double threshold_min,
              double threshold_max, int64_t chunk) {
             new (s) Sequence{steps, elements, period, pointer<const T>(x), x_stride, pointer<const T>(noise), pointer<const T>(uniform),
                              pointer<const T>(parameters), pointer<const int32_t>(refractory), adaptive, by_subtraction, detach_reset,
                              static_cast<T>(threshold_min), static_cast<T>(threshold_max), chunk};
           });
  m.def(
      forward,
      [](const Sequence& s, Address v, Address left, Address threshold, Address kept_v, Address kept_left, Address kept_threshold,
         Address spikes, int threads) {
        ranvier::lif_forward(s, state<T>(v, left, threshold), state<T>(kept_v, kept_left, kept_threshold), pointer<T>(spikes), threads);
      },
      nb::call_guard<nb::gil_scoped_release>());
  m.def(
      backward,
      [](const Sequence& s, Address kept_v, Address kept_left, Address kept_threshold, int32_t surrogate, double shape_0, double shape_1,
         double shape_2, Address spikes, int64_t spikes_stride, Address v, Address threshold, Address x, Address noise,
         Address per_element, Address parameters, uint32_t wanted, int threads) {
        const ranvier::Surrogate chosen{static_cast<ranvier::SurrogateKind>(surrogate), {shape_0, shape_1, shape_2}};
        const ranvier::LifGradients<T> gradients{pointer<const T>(spikes), spikes_stride, pointer<T>(v), pointer<T>(threshold),
                                                 pointer<T>(x), pointer<T>(noise), pointer<T>(per_element), pointer<T>(parameters), wanted};
        ranvier::lif_backward(s, state<T>(kept_v, kept_left, kept_threshold), chosen, gradients, threads);
      },
      nb::call_guard<nb::gil_scoped_release>());
}

}  // namespace

void add_lif_sequence(nanobind::module_& m) {
  bind<float>(m, "LifSequence_f32", "lif_forward_f32", "lif_backward_f32");
  bind<double>(m, "LifSequence_f64", "lif_forward_f64", "lif_backward_f64");
}
