// XLA-FFI handlers over the loops, and the Python module that hands them out as capsules.

#include <nanobind/nanobind.h>

#include "buffers.h"
#include "drawn_events.h"
#include "draws.h"
#include "edges_module.h"
#include "events.h"
#include "integrate_and_fire_handler.h"
#include "lif_sequence_module.h"
#include "loops.h"
#include "plasticity_handlers.h"

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
  carry_over(buffer_step, new_step);
  carry_over(buffer_neuron, new_neuron);
  const int64_t n = f.back(), capacity = b.back();
  for (int64_t i = 0; i < batch.size; ++i) {
    new_count->typed_data()[i] =
        ranvier::compact_spikes(flags.typed_data() + batch.block(f, i) * n, n, step.typed_data()[batch.block(s, i)],
                                new_step->typed_data() + i * capacity, new_neuron->typed_data() + i * capacity, capacity,
                                count.typed_data()[i]);
  }
  return ffi::Error::Success();
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
  for (int64_t i = 0; i < batch.size; ++i) {
    for (int64_t r = 0; r < rows; ++r) {
      ranvier::weighted_sum(indptr.typed_data() + batch.block(p, i) * (n_post + 1), n_post,
                            pre.typed_data() + batch.block(e, i) * edges, edges,
                            weights.typed_data() + batch.block(w, i) * w.back(), stride,
                            values.typed_data() + (batch.block(v, i) * rows + r) * n_pre, n_pre,
                            out->typed_data() + (i * rows + r) * n_post);
    }
  }
  return ffi::Error::Success();
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
  for (int64_t i = 0; i < batch.size; ++i) {
    for (int64_t r = 0; r < rows; ++r) {
      ranvier::weighted_sum_dense(weights.typed_data() + batch.block(w, i) * n_pre * n_post, n_pre, n_post,
                                  values.typed_data() + (batch.block(v, i) * rows + r) * n_pre,
                                  out->typed_data() + (i * rows + r) * n_post);
    }
  }
  return ffi::Error::Success();
}

// The capsule that `jax.ffi.register_ffi_target` takes, with operands and results inferred from the function's signature.
template <auto function>
nb::capsule capsule() {
  XLA_FFI_Handler* handler = +[](XLA_FFI_CallFrame* frame) -> XLA_FFI_Error* {
    static auto* bound = ffi::Ffi::BindTo(function).release();
    return bound->Call(frame);
  };
  return nb::capsule(reinterpret_cast<void*>(handler));
}

// Attributes have names, which no signature tells.
nb::capsule incoming_edges_capsule() {
  XLA_FFI_Handler* handler = +[](XLA_FFI_CallFrame* frame) -> XLA_FFI_Error* {
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
  };
  return nb::capsule(reinterpret_cast<void*>(handler));
}

// Its operands and results are as many as the neurons have variables, which no signature tells.
template <ffi::DataType type>
nb::capsule integrate_and_fire_capsule() {
  XLA_FFI_Handler* handler = +[](XLA_FFI_CallFrame* frame) -> XLA_FFI_Error* {
    static auto* bound = ffi::Ffi::Bind()
                             .Ctx<ffi::ThreadPool>()
                             .template Arg<ffi::Buffer<ffi::S64>>()
                             .template Arg<ffi::Buffer<ffi::S64>>()
                             .template Arg<ffi::Buffer<type>>()
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
  };
  return nb::capsule(reinterpret_cast<void*>(handler));
}

}  // namespace

NB_MODULE(_native, m) {
  m.attr("ffi_api_version") = nb::make_tuple(XLA_FFI_API_MAJOR, XLA_FFI_API_MINOR);
  m.def("handlers", [] {
    nb::dict handlers;
    handlers["compact_spikes"] = capsule<compact_spikes>();
    handlers["uniforms_f32"] = capsule<uniforms<ffi::F32>>();
    handlers["uniforms_f64"] = capsule<uniforms<ffi::F64>>();
    handlers["normals_f32"] = capsule<normals<ffi::F32>>();
    handlers["normals_f64"] = capsule<normals<ffi::F64>>();
    handlers["bernoulli_f32"] = capsule<bernoulli<ffi::F32>>();
    handlers["bernoulli_f64"] = capsule<bernoulli<ffi::F64>>();
    handlers["poisson_counts"] = capsule<poisson_counts>();
    handlers["add_poisson_f32"] = capsule<add_poisson<ffi::F32>>();
    handlers["add_poisson_f64"] = capsule<add_poisson<ffi::F64>>();
    handlers["note_spikes_f32"] = capsule<note_spikes<ffi::F32>>();
    handlers["note_spikes_f64"] = capsule<note_spikes<ffi::F64>>();
    handlers["deliver_events_f32_s32"] = capsule<deliver_events<ffi::F32, ffi::S32>>();
    handlers["deliver_events_f32_s64"] = capsule<deliver_events<ffi::F32, ffi::S64>>();
    handlers["deliver_events_f64_s32"] = capsule<deliver_events<ffi::F64, ffi::S32>>();
    handlers["deliver_events_f64_s64"] = capsule<deliver_events<ffi::F64, ffi::S64>>();
    handlers["deliver_drawn_f32"] = capsule<deliver_drawn<ffi::F32>>();
    handlers["deliver_drawn_f64"] = capsule<deliver_drawn<ffi::F64>>();
    handlers["deliver_and_learn_f32_s32"] = capsule<deliver_and_learn<ffi::F32, ffi::S32>>();
    handlers["deliver_and_learn_f32_s64"] = capsule<deliver_and_learn<ffi::F32, ffi::S64>>();
    handlers["deliver_and_learn_f64_s32"] = capsule<deliver_and_learn<ffi::F64, ffi::S32>>();
    handlers["deliver_and_learn_f64_s64"] = capsule<deliver_and_learn<ffi::F64, ffi::S64>>();
    handlers["learn_at_targets_f32"] = capsule<learn_at_targets<ffi::F32>>();
    handlers["learn_at_targets_f64"] = capsule<learn_at_targets<ffi::F64>>();
    handlers["due_edges"] = capsule<due_edges>();
    handlers["incoming_edges"] = incoming_edges_capsule();
    handlers["put_f32"] = capsule<put<ffi::F32>>();
    handlers["put_f64"] = capsule<put<ffi::F64>>();
    handlers["integrate_and_fire_f32"] = integrate_and_fire_capsule<ffi::F32>();
    handlers["integrate_and_fire_f64"] = integrate_and_fire_capsule<ffi::F64>();
    handlers["weighted_sum_f32"] = capsule<weighted_sum<ffi::F32>>();
    handlers["weighted_sum_f64"] = capsule<weighted_sum<ffi::F64>>();
    handlers["weighted_sum_dense_f32"] = capsule<weighted_sum_dense<ffi::F32>>();
    handlers["weighted_sum_dense_f64"] = capsule<weighted_sum_dense<ffi::F64>>();
    return handlers;
  });
  add_edges(m);
  add_lif_sequence(m);
}
