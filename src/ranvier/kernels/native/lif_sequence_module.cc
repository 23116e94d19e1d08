// The LIF loops for `ranvier/torch/fused/native.py`: addresses of contiguous tensors, 0 for none. The caller keeps them alive.

#include "lif_sequence_module.h"

#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <tuple>
#include <utility>
#include <vector>

#include "learnt.h"
#include "lif_recurrent.h"
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

// A sequence without the tensors that a call gives it: made once for a layer.
template <class T>
ranvier::LifSequence<T> with(ranvier::LifSequence<T> s, Address x, int64_t x_stride, Address noise, Address uniform) {
  s.x = pointer<const T>(x);
  s.x_stride = x_stride;
  s.noise = pointer<const T>(noise);
  s.uniform = pointer<const T>(uniform);
  return s;
}

template <class T>
std::vector<T*> pointers(const std::vector<Address>& addresses) {
  std::vector<T*> found;
  for (const Address address : addresses) found.push_back(pointer<T>(address));
  return found;
}

template <class T>
void bind_learnt(nb::module_& m, const char* rows) {
  using Rows = ranvier::LearntRows<T>;
  using Step = std::tuple<int32_t, int32_t, int32_t, double>;
  nb::class_<Rows>(m, rows)
      .def("__init__",
           [](Rows* self, int64_t period, const std::vector<Step>& given, std::vector<int32_t> rows, std::vector<double> numbers) {
             std::vector<ranvier::LearningStep> steps;
             for (const auto& [operation, a, b, number] : given) steps.push_back({static_cast<ranvier::Learning>(operation), a, b, number});
             new (self) Rows(period, std::move(steps), std::move(rows), std::move(numbers));
           })
      .def("run", [](const Rows& self, int64_t first, int64_t last, const std::vector<Address>& given,
                     Address work) { self.run(first, last, pointers<const T>(given), pointer<T>(work)); })
      .def("collect", [](const Rows& self, Address work, Address rows) { self.collect(pointer<const T>(work), pointer<T>(rows)); })
      .def("back", [](const Rows& self, Address work, Address of_rows, int64_t elements, const std::vector<int32_t>& filled,
                      const std::vector<Address>& of_filled, const std::vector<Address>& of_given) {
        self.back(pointer<const T>(work), pointer<const T>(of_rows), elements, filled, pointers<const T>(of_filled), pointers<T>(of_given));
      });
}

template <class T>
void bind(nb::module_& m, const char* sequence) {
  using Sequence = ranvier::LifSequence<T>;
  nb::class_<Sequence>(m, sequence)
      .def("__init__",
           [](Sequence* s, int64_t steps, int64_t elements, int64_t period, Address parameters, Address refractory, bool adaptive,
              bool by_subtraction, bool detach_reset, double threshold_min, double threshold_max, int64_t chunk) {
             new (s) Sequence{steps, elements, period, nullptr, 0, nullptr, nullptr, pointer<const T>(parameters),
                              pointer<const int32_t>(refractory), adaptive, by_subtraction, detach_reset, static_cast<T>(threshold_min),
                              static_cast<T>(threshold_max), chunk};
           })
      .def(
          "forward",
          [](const Sequence& s, Address x, int64_t x_stride, Address noise, Address uniform, Address v, Address left, Address threshold,
             Address kept_v, Address kept_left, Address kept_threshold, Address spikes, int threads) {
            ranvier::lif_forward(with(s, x, x_stride, noise, uniform), state<T>(v, left, threshold),
                                 state<T>(kept_v, kept_left, kept_threshold), pointer<T>(spikes), threads);
          },
          nb::call_guard<nb::gil_scoped_release>())
      .def(
          "backward",
          [](const Sequence& s, Address x, int64_t x_stride, Address noise, Address uniform, Address kept_v, Address kept_left,
             Address kept_threshold, int32_t surrogate, double shape_0, double shape_1, double shape_2, Address spikes,
             int64_t spikes_stride, Address of_v, Address of_threshold, Address of_x, Address of_noise, Address per_element,
             Address of_parameters, uint32_t wanted, int threads) {
            const ranvier::Surrogate chosen{static_cast<ranvier::SurrogateKind>(surrogate), {shape_0, shape_1, shape_2}};
            const ranvier::LifGradients<T> gradients{pointer<const T>(spikes), spikes_stride,           pointer<T>(of_v),
                                                     pointer<T>(of_threshold), pointer<T>(of_x),        pointer<T>(of_noise),
                                                     pointer<T>(per_element),  pointer<T>(of_parameters), wanted};
            ranvier::lif_backward(with(s, x, x_stride, noise, uniform), state<T>(kept_v, kept_left, kept_threshold), chosen, gradients,
                                  threads);
          },
          nb::call_guard<nb::gil_scoped_release>())
      .def(
          "recurrent_forward",
          [](const Sequence& s, int64_t steps, int64_t n, Address weight, Address bias, Address x, Address noise, Address uniform, Address v,
             Address left, Address threshold, Address kept_v, Address kept_left, Address kept_threshold, Address output, Address driven,
             Address spikes) {
            ranvier::lif_recurrent_forward(with(s, x, s.elements, noise, uniform),
                                           {steps, n, pointer<const T>(weight), pointer<const T>(bias)}, state<T>(v, left, threshold),
                                           state<T>(kept_v, kept_left, kept_threshold),
                                           {pointer<const T>(output), pointer<T>(driven), pointer<T>(spikes)});
          },
          nb::call_guard<nb::gil_scoped_release>())
      .def(
          "recurrent_backward",
          [](const Sequence& s, int64_t steps, int64_t n, Address weight, Address driven, Address noise, Address uniform, Address kept_v,
             Address kept_left, Address kept_threshold, int32_t surrogate, double shape_0, double shape_1, double shape_2, Address spikes,
             int64_t spikes_stride, Address of_v, Address of_threshold, Address of_x, Address per_element, Address of_parameters,
             uint32_t wanted, Address output, Address given, Address once, Address of_weight, Address of_bias) {
            const ranvier::Surrogate chosen{static_cast<ranvier::SurrogateKind>(surrogate), {shape_0, shape_1, shape_2}};
            const ranvier::LifGradients<T> gradients{pointer<const T>(spikes), spikes_stride,     pointer<T>(of_v),
                                                     pointer<T>(of_threshold), pointer<T>(of_x),  nullptr,
                                                     pointer<T>(per_element),  pointer<T>(of_parameters), wanted};
            ranvier::lif_recurrent_backward(with(s, driven, s.elements, noise, uniform), {steps, n, pointer<const T>(weight), nullptr},
                                            state<T>(kept_v, kept_left, kept_threshold), chosen, gradients,
                                            {pointer<const T>(output), pointer<const T>(given), pointer<T>(once), pointer<T>(of_weight),
                                             pointer<T>(of_bias)});
          },
          nb::call_guard<nb::gil_scoped_release>());
}

}  // namespace

void add_lif_sequence(nanobind::module_& m) {
  bind<float>(m, "LifSequence_f32");
  bind<double>(m, "LifSequence_f64");
  bind_learnt<float>(m, "LearntRows_f32");
  bind_learnt<double>(m, "LearntRows_f64");
}
