// XLA-FFI handlers over the loops, and the Python module that hands them out as capsules.

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <csignal>
#include <string>

#if defined(__unix__) || defined(__APPLE__)
#include <unistd.h>
#endif

#include "buffers.h"
#include "drawn_events.h"
#include "draws.h"
#include "edges_module.h"
#include "events.h"
#include "integrate_and_fire_handler.h"
#include "lif_sequence_module.h"
#include "loops.h"
#include "march_handler.h"
#include "plasticity_handlers.h"
#include "pointwise_handler.h"
#include "run_steps.h"
#include "tell_handlers.h"
#include "trace_handlers.h"

namespace {

namespace nb = nanobind;
using namespace ranvier::handlers;

ffi::Error compact_spikes(ffi::Buffer<ffi::PRED> flags, ffi::Buffer<ffi::S64> step, ffi::Buffer<ffi::S64> buffer_step,
                          ffi::Buffer<ffi::S32> buffer_neuron, ffi::Buffer<ffi::S64> count, ffi::ResultBuffer<ffi::S64> new_step,
                          ffi::ResultBuffer<ffi::S32> new_neuron, ffi::ResultBuffer<ffi::S64> new_count) {
  const Batch batch(new_count->dimensions(), 0);
  const Dimensions f = flags.dimensions(), s = step.dimensions(), b = new_step->dimensions();
  if (!batch.accepts(f, 1) || !batch.accepts(s, 0) || !batch.accepts(b, 1) ||
      !equal(buffer_step.dimensions(), b) || !equal(buffer_neuron.dimensions(), b) || !equal(new_neuron->dimensions(), b) ||
      !equal(count.dimensions(), new_count->dimensions())) {
    return shapes("compact_spikes");
  }
  const std::shared_ptr<const Spiking> list = batch.size == 1 ? list_of(flags.typed_data(), f.back()) : nullptr;
  return perform([=]() mutable {
    carry_over(buffer_step, new_step);
    carry_over(buffer_neuron, new_neuron);
    const int64_t n = f.back(), capacity = b.back();
    for (int64_t i = 0; i < batch.size; ++i) {
      if (list != nullptr) {
        new_count->typed_data()[i] = ranvier::append_spikes(list->who.data(), list->count, step.typed_data()[0], new_step->typed_data(),
                                                            new_neuron->typed_data(), capacity, count.typed_data()[i]);
        continue;
      }
      new_count->typed_data()[i] =
          ranvier::compact_spikes(flags.typed_data() + batch.block(f, i) * n, n, step.typed_data()[batch.block(s, i)],
                                  new_step->typed_data() + i * capacity, new_neuron->typed_data() + i * capacity, capacity,
                                  count.typed_data()[i]);
    }
  });
}

// steps and neurons [batch…, spikes], step [batch…], flags [batch…, n]
ffi::Error given_spikes(ffi::Buffer<ffi::S64> steps, ffi::Buffer<ffi::S32> neurons, ffi::Buffer<ffi::S64> step, ffi::ResultBuffer<ffi::PRED> flags) {
  const Dimensions s = steps.dimensions(), i = neurons.dimensions(), k = step.dimensions(), f = flags->dimensions();
  if (f.size() < 1) return shapes("given_spikes");
  const Batch batch(f, 1);
  if (!batch.accepts(s, 1) || !batch.accepts(i, 1) || !batch.accepts(k, 0) || s.back() != i.back()) return shapes("given_spikes");
  return perform([=]() mutable {
    const int64_t n = f.back(), spikes = s.back();
    for (int64_t b = 0; b < batch.size; ++b) {
      ranvier::given_spikes(steps.typed_data() + batch.block(s, b) * spikes, neurons.typed_data() + batch.block(i, b) * spikes, spikes,
                            step.typed_data()[batch.block(k, b)], n, flags->typed_data() + b * n);
    }
  });
}

template <ffi::DataType type>
ffi::Error weighted_sum(ffi::Buffer<ffi::S32> indptr, ffi::Buffer<ffi::S32> pre, ffi::Buffer<type> weights, ffi::Buffer<type> values,
                        ffi::ResultBuffer<type> out) {
  // values [batch…, B, n_pre], out [batch…, B, n_post]
  const Dimensions p = indptr.dimensions(), e = pre.dimensions(), w = weights.dimensions(), v = values.dimensions(),
                   o = out->dimensions();
  if (o.size() < 2) return shapes("weighted_sum");
  const Batch batch(o, 2);
  if (!batch.accepts(p, 1) || !batch.accepts(e, 1) || !batch.accepts(w, 1) || !batch.accepts(v, 2)) return shapes("weighted_sum");
  const int64_t n_post = o.back(), n_pre = v.back(), rows = o[o.size() - 2], edges = e.back(), stride = w.back() == 1 ? 0 : 1;
  if (p.back() != n_post + 1 || v[v.size() - 2] != rows || (w.back() != 1 && w.back() != edges)) return shapes("weighted_sum");
  return perform([=]() mutable {
    for (int64_t i = 0; i < batch.size; ++i) {
      for (int64_t r = 0; r < rows; ++r) {
        ranvier::weighted_sum(indptr.typed_data() + batch.block(p, i) * (n_post + 1), n_post,
                              pre.typed_data() + batch.block(e, i) * edges, edges,
                              weights.typed_data() + batch.block(w, i) * w.back(), stride,
                              values.typed_data() + (batch.block(v, i) * rows + r) * n_pre, n_pre,
                              out->typed_data() + (i * rows + r) * n_post);
      }
    }
  });
}

template <ffi::DataType type>
ffi::Error weighted_sum_dense(ffi::Buffer<type> weights, ffi::Buffer<type> values, ffi::ResultBuffer<type> out) {
  // weights [batch…, n_pre, n_post], values [batch…, B, n_pre], out [batch…, B, n_post]
  const Dimensions w = weights.dimensions(), v = values.dimensions(), o = out->dimensions();
  if (o.size() < 2) return shapes("weighted_sum_dense");
  const Batch batch(o, 2);
  if (!batch.accepts(w, 2) || !batch.accepts(v, 2)) return shapes("weighted_sum_dense");
  const int64_t n_post = o.back(), n_pre = v.back(), rows = o[o.size() - 2];
  if (w.back() != n_post || w[w.size() - 2] != n_pre || v[v.size() - 2] != rows) return shapes("weighted_sum_dense");
  return perform([=]() mutable {
    for (int64_t i = 0; i < batch.size; ++i) {
      for (int64_t r = 0; r < rows; ++r) {
        ranvier::weighted_sum_dense(weights.typed_data() + batch.block(w, i) * n_pre * n_post, n_pre, n_post,
                                    values.typed_data() + (batch.block(v, i) * rows + r) * n_pre,
                                    out->typed_data() + (i * rows + r) * n_post);
      }
    }
  });
}

// Operands and results are inferred from the function's signature.
template <auto function>
XLA_FFI_Error* handler(XLA_FFI_CallFrame* frame) {
  static auto* bound = ffi::Ffi::BindTo(function).release();
  return bound->Call(frame);
}

// Attributes have names, which no signature tells.
XLA_FFI_Error* incoming_edges_handler(XLA_FFI_CallFrame* frame) {
  static auto* bound = ffi::Ffi::Bind()
                           .Arg<ffi::Buffer<ffi::PRED>>()
                           .Arg<ffi::Buffer<ffi::S64>>()
                           .Arg<ffi::Buffer<ffi::S64>>()
                           .Arg<ffi::Buffer<ffi::S32>>()
                           .Arg<ffi::Buffer<ffi::S32>>()
                           .Arg<ffi::Buffer<ffi::S64>>()
                           .Ret<ffi::Buffer<ffi::S32>>()
                           .Ret<ffi::Buffer<ffi::S32>>()
                           .Ret<ffi::Buffer<ffi::S32>>()
                           .Ret<ffi::Buffer<ffi::S32>>()
                           .Ret<ffi::Buffer<ffi::S64>>()
                           .Attr<int64_t>("slots")
                           .Attr<int64_t>("sources")
                           .To(incoming_edges)
                           .release();
  return bound->Call(frame);
}

// Its operands and results are as many as the neurons have variables, which no signature tells.
template <ffi::DataType type>
XLA_FFI_Error* integrate_and_fire_handler(XLA_FFI_CallFrame* frame) {
  static auto* bound = ffi::Ffi::Bind()
                           .Ctx<ffi::ThreadPool>()
                           .template Arg<ffi::Buffer<ffi::S64>>()
                           .template Arg<ffi::Buffer<ffi::S64>>()
                           .template Arg<ffi::Buffer<ffi::S32>>()
                           .template Arg<ffi::Buffer<ffi::S32>>()
                           .template Arg<ffi::Buffer<type>>()
                           .template Arg<ffi::Buffer<ffi::S32>>()
                           .RemainingArgs()
                           .template Ret<ffi::Buffer<ffi::S32>>()
                           .template Ret<ffi::Buffer<ffi::PRED>>()
                           .RemainingRets()
                           .template Attr<ffi::Span<const int64_t>>("numbers")
                           .template Attr<ffi::Span<const int64_t>>("each")
                           .To(integrate_and_fire<type>)
                           .release();
  return bound->Call(frame);
}

XLA_FFI_Error* pointwise_of_any(XLA_FFI_CallFrame* frame) {
  static auto* bound =
      ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().RemainingArgs().RemainingRets().Attr<ffi::Span<const int64_t>>("numbers").To(pointwise).release();
  return bound->Call(frame);
}

XLA_FFI_Error* march_of_any(XLA_FFI_CallFrame* frame) {
  static auto* bound =
      ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().RemainingArgs().RemainingRets().Attr<ffi::Span<const int64_t>>("numbers").To(march).release();
  return bound->Call(frame);
}

XLA_FFI_Error* tell_spikes_handler(XLA_FFI_CallFrame* frame) {
  static auto* bound = ffi::Ffi::Bind()
                           .Ctx<ffi::RunId>()
                           .Arg<ffi::Buffer<ffi::PRED>>()
                           .Arg<ffi::Buffer<ffi::S32>>()
                           .Ret<ffi::Buffer<ffi::PRED>>()
                           .Attr<int64_t>("circle")
                           .Attr<ffi::Span<const int64_t>>("sizes")
                           .To(tell_spikes)
                           .release();
  return bound->Call(frame);
}

XLA_FFI_Error* tell_listed_handler(XLA_FFI_CallFrame* frame) {
  static auto* bound = ffi::Ffi::Bind()
                           .Ctx<ffi::RunId>()
                           .Arg<ffi::Buffer<ffi::S64>>()
                           .Arg<ffi::Buffer<ffi::S32>>()
                           .Arg<ffi::Buffer<ffi::S64>>()
                           .Arg<ffi::Buffer<ffi::S64>>()
                           .Arg<ffi::Buffer<ffi::S64>>()
                           .Arg<ffi::Buffer<ffi::S64>>()
                           .Arg<ffi::Buffer<ffi::S32>>()
                           .Arg<ffi::Buffer<ffi::S32>>()
                           .Arg<ffi::Buffer<ffi::S32>>()
                           .Arg<ffi::Buffer<ffi::S64>>()
                           .Arg<ffi::Buffer<ffi::S64>>()
                           .Arg<ffi::Buffer<ffi::S64>>()
                           .Ret<ffi::Buffer<ffi::S32>>()
                           .Ret<ffi::Buffer<ffi::S32>>()
                           .Ret<ffi::Buffer<ffi::S64>>()
                           .Ret<ffi::Buffer<ffi::S64>>()
                           .Ret<ffi::Buffer<ffi::S64>>()
                           .Attr<int64_t>("circle")
                           .Attr<ffi::Span<const int64_t>>("sizes")
                           .To(tell_listed)
                           .release();
  return bound->Call(frame);
}

XLA_FFI_Error* tell_most_handler(XLA_FFI_CallFrame* frame) {
  static auto* bound = ffi::Ffi::Bind()
                           .Ctx<ffi::RunId>()
                           .Arg<ffi::Buffer<ffi::S64>>()
                           .Arg<ffi::Buffer<ffi::S64>>()
                           .Arg<ffi::Buffer<ffi::S64>>()
                           .Arg<ffi::Buffer<ffi::S64>>()
                           .Arg<ffi::Buffer<ffi::S32>>()
                           .Arg<ffi::Buffer<ffi::S64>>()
                           .Arg<ffi::Buffer<ffi::S64>>()
                           .Ret<ffi::Buffer<ffi::S64>>()
                           .Ret<ffi::Buffer<ffi::S64>>()
                           .Attr<int64_t>("circle")
                           .To(tell_most)
                           .release();
  return bound->Call(frame);
}

XLA_FFI_Error* after_handler(XLA_FFI_CallFrame* frame) {
  static auto* bound = ffi::Ffi::Bind().Arg<ffi::Buffer<ffi::S64>>().RemainingArgs().Ret<ffi::Buffer<ffi::S64>>().To(after).release();
  return bound->Call(frame);
}

// Under which names XLA knows the handlers, and in which order a program of steps numbers them.
struct Kernel {
  const char* name;
  Handler* handler;
};

constexpr Kernel kKernels[] = {
    {"compact_spikes", handler<compact_spikes>},
    {"uniforms_f32", handler<uniforms<ffi::F32>>},
    {"uniforms_f64", handler<uniforms<ffi::F64>>},
    {"normals_f32", handler<normals<ffi::F32>>},
    {"normals_f64", handler<normals<ffi::F64>>},
    {"bernoulli_f32", handler<bernoulli<ffi::F32>>},
    {"bernoulli_f64", handler<bernoulli<ffi::F64>>},
    {"given_spikes", handler<given_spikes>},
    {"poisson_counts", handler<poisson_counts>},
    {"add_poisson_f32", handler<add_poisson<ffi::F32>>},
    {"add_poisson_f64", handler<add_poisson<ffi::F64>>},
    {"note_spikes_f32", handler<note_spikes<ffi::F32>>},
    {"note_spikes_f64", handler<note_spikes<ffi::F64>>},
    {"deliver_events_f32_s32", handler<deliver_events<ffi::F32, ffi::S32>>},
    {"deliver_events_f32_s64", handler<deliver_events<ffi::F32, ffi::S64>>},
    {"deliver_events_f64_s32", handler<deliver_events<ffi::F64, ffi::S32>>},
    {"deliver_events_f64_s64", handler<deliver_events<ffi::F64, ffi::S64>>},
    {"deliver_to_weights_f32_s32", handler<deliver_to_weights<ffi::F32, ffi::S32>>},
    {"deliver_to_weights_f32_s64", handler<deliver_to_weights<ffi::F32, ffi::S64>>},
    {"deliver_to_weights_f64_s32", handler<deliver_to_weights<ffi::F64, ffi::S32>>},
    {"deliver_to_weights_f64_s64", handler<deliver_to_weights<ffi::F64, ffi::S64>>},
    {"deliver_to_amplitudes_f32_s32", handler<deliver_to_amplitudes<ffi::F32, ffi::S32>>},
    {"deliver_to_amplitudes_f32_s64", handler<deliver_to_amplitudes<ffi::F32, ffi::S64>>},
    {"deliver_to_amplitudes_f64_s32", handler<deliver_to_amplitudes<ffi::F64, ffi::S32>>},
    {"deliver_to_amplitudes_f64_s64", handler<deliver_to_amplitudes<ffi::F64, ffi::S64>>},
    {"deliver_drawn_f32", handler<deliver_drawn<ffi::F32>>},
    {"deliver_drawn_f64", handler<deliver_drawn<ffi::F64>>},
    {"deliver_and_learn_f32_s32", handler<deliver_and_learn<ffi::F32, ffi::S32>>},
    {"deliver_and_learn_f32_s64", handler<deliver_and_learn<ffi::F32, ffi::S64>>},
    {"deliver_and_learn_f64_s32", handler<deliver_and_learn<ffi::F64, ffi::S32>>},
    {"deliver_and_learn_f64_s64", handler<deliver_and_learn<ffi::F64, ffi::S64>>},
    {"learn_at_targets_f32", handler<learn_at_targets<ffi::F32>>},
    {"learn_at_targets_f64", handler<learn_at_targets<ffi::F64>>},
    {"due_edges", handler<due_edges>},
    {"advance_trace_f32", handler<advance_trace<ffi::F32>>},
    {"advance_trace_f64", handler<advance_trace<ffi::F64>>},
    {"incoming_edges", incoming_edges_handler},
    {"put_f32", handler<put<ffi::F32>>},
    {"put_f64", handler<put<ffi::F64>>},
    {"integrate_and_fire_f32", integrate_and_fire_handler<ffi::F32>},
    {"integrate_and_fire_f64", integrate_and_fire_handler<ffi::F64>},
    {"pointwise", pointwise_of_any},
    {"march", march_of_any},
    {"tell_spikes", tell_spikes_handler},
    {"tell_listed", tell_listed_handler},
    {"tell_most", tell_most_handler},
    {"after", after_handler},
    {"weighted_sum_f32", handler<weighted_sum<ffi::F32>>},
    {"weighted_sum_f64", handler<weighted_sum<ffi::F64>>},
    {"weighted_sum_dense_f32", handler<weighted_sum_dense<ffi::F32>>},
    {"weighted_sum_dense_f64", handler<weighted_sum_dense<ffi::F64>>},
};
constexpr int64_t kNumberOfKernels = sizeof(kKernels) / sizeof(kKernels[0]);

// What it looks like to XLA when it asks.
ffi::Error of_any_steps(ffi::RemainingArgs, ffi::RemainingRets, ffi::Span<const int64_t>) { return ffi::Error::Success(); }

XLA_FFI_Error* run_steps_handler(XLA_FFI_CallFrame* frame) {
  if (frame->extension_start != nullptr) {
    static auto* bound = ffi::Ffi::Bind().RemainingArgs().RemainingRets().Attr<ffi::Span<const int64_t>>("program").To(of_any_steps).release();
    return bound->Call(frame);
  }
  static const auto kernels = [] {
    std::array<Handler*, kNumberOfKernels> all{};
    for (int64_t k = 0; k < kNumberOfKernels; ++k) all[k] = kKernels[k].handler;
    return all;
  }();
  return run_steps(frame, kernels.data(), kNumberOfKernels);
}

// Words for the standard error where something aborts this process: what JAX does when it loses another one. Nothing may be made in there.
void say_when_aborted(const std::string& words) {
#if defined(__unix__) || defined(__APPLE__)
  static std::string said;
  said = words;
  std::signal(SIGABRT, [](int) {
    if (write(STDERR_FILENO, said.data(), said.size()) < 0) return;
  });
#else
  static_cast<void>(words);
#endif
}

// Other processes, for good: the sockets are theirs from now on. Devices and hosts have their own, as neither waits for the other.
ranvier::Peers *peers_of_devices = nullptr, *peers_of_hosts = nullptr;

void open_peers(int64_t own, std::vector<int> of_devices, std::vector<int> of_hosts, double patience, double patience_of_hosts) {
  peers_of_devices = new ranvier::Peers(own, std::move(of_devices), patience);
  peers_of_hosts = new ranvier::Peers(own, std::move(of_hosts), patience_of_hosts);
}

void open_circle(int64_t number, std::vector<int64_t> processes, std::vector<int64_t> places, int64_t sharers, double patience) {
  if (places.size() != processes.size()) throw std::invalid_argument("a place for each device");
  Circles::open(number, std::make_unique<ranvier::Circle>(std::move(processes), std::move(places), peers_of_devices, sharers, patience));
}

nb::list tell(const nb::bytes& message) {
  if (peers_of_hosts == nullptr) throw std::runtime_error("there are no other processes");
  const auto* from = static_cast<const unsigned char*>(message.data());
  ranvier::Bytes said(ranvier::Peers::kHead);
  said.insert(said.end(), from, from + message.size());
  std::vector<ranvier::Bytes> heard(peers_of_hosts->processes());
  {
    const nb::gil_scoped_release others;
    peers_of_hosts->exchange(said, heard, ranvier::Place{}, [] {
      const nb::gil_scoped_acquire own;
      if (PyErr_CheckSignals() != 0) throw nb::python_error();
    });
  }
  nb::list all;
  for (int64_t p = 0; p < peers_of_hosts->processes(); ++p) {
    all.append(p == peers_of_hosts->own() ? message : nb::bytes(heard[p].data(), heard[p].size()));
  }
  return all;
}

}  // namespace

NB_MODULE(_native, m) {
  // PyTorch's graphs may hold a sequence until the interpreter is gone, where nothing can be given back any more.
  nb::set_leak_warnings(false);
  nb::exception<ranvier::Lost>(m, "Lost", PyExc_ConnectionError);
  m.def("open_peers", open_peers, nb::arg("own"), nb::arg("of_devices"), nb::arg("of_hosts"), nb::arg("patience"), nb::arg("patience_of_hosts"));
  m.def("tell", tell, nb::arg("message"));
  m.def("open_circle", open_circle, nb::arg("number"), nb::arg("processes"), nb::arg("places"), nb::arg("sharers"), nb::arg("patience"));
  m.def("say_when_aborted", say_when_aborted, nb::arg("words"));
  m.attr("ffi_api_version") = nb::make_tuple(XLA_FFI_API_MAJOR, XLA_FFI_API_MINOR);
  m.def("handlers", [] {
    nb::dict handlers;
    for (const Kernel& kernel : kKernels) handlers[kernel.name] = nb::capsule(reinterpret_cast<void*>(kernel.handler));
    handlers["run_steps"] = nb::capsule(reinterpret_cast<void*>(run_steps_handler));
    return handlers;
  });
  add_edges(m);
  add_lif_sequence(m);
}
