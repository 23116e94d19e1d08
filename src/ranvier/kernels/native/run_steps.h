// Steps of a network of which every stage is a native kernel: one after the other, with nothing of XLA's between them.
//
// What a step does comes as numbers (network/native_steps.py writes them, from the trace of the step that XLA would compile): memories,
// and calls of the kernels' own handlers on them. So no kernel has a second form here, and what it does is what it does under XLA.
#pragma once

#include <chrono>
#include <cmath>
#include <cstddef>
#include <limits>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "buffers.h"
#include "circle.h"
#include "elementwise.h"
#include "loops.h"
#include "numbers.h"
#include "perform.h"

namespace ranvier::handlers {

using Handler = XLA_FFI_Error*(XLA_FFI_CallFrame*);

inline XLA_FFI_Error* refuse(const XLA_FFI_CallFrame* frame, const char* why, XLA_FFI_Error_Code code = XLA_FFI_Error_Code_INVALID_ARGUMENT) {
  XLA_FFI_Error_Create_Args error{XLA_FFI_Error_Create_Args_STRUCT_SIZE, nullptr, why, code};
  return frame->api->XLA_FFI_Error_Create(&error);
}

inline int64_t width_of(XLA_FFI_DataType type) {
  switch (type) {
    case XLA_FFI_DataType_PRED: return 1;
    case XLA_FFI_DataType_S32:
    case XLA_FFI_DataType_U32:
    case XLA_FFI_DataType_F32: return 4;
    case XLA_FFI_DataType_S64:
    case XLA_FFI_DataType_F64: return 8;
    default: return 0;
  }
}

inline int64_t bytes_of(const XLA_FFI_Buffer& buffer) {
  int64_t bytes = width_of(buffer.dtype);
  for (int64_t d = 0; d < buffer.rank; ++d) bytes *= buffer.dims[d];
  return bytes;
}

class Steps {
 public:
  Steps(Handler* const* kernels, int64_t n_kernels) : kernels_(kernels), n_kernels_(n_kernels) {}

  // Reads what to do; false where it does not fit to what the frame has.
  bool read(const XLA_FFI_CallFrame& frame, const int64_t* program, int64_t size) {
    Numbers numbers(program, size);
    fingerprint_ = 14695981039346656037u;
    for (int64_t i = 0; i < size; ++i) fingerprint_ = (fingerprint_ ^ static_cast<uint64_t>(program[i])) * 1099511628211u;
    const int64_t most = int64_t{1} << 20, largest = int64_t{1} << 40;
    scratch_.reset(new (std::nothrow) unsigned char[numbers.next(0, largest) + kLine]);
    if (!scratch_) return false;
    const int64_t n_slots = numbers.next(0, most);
    if (!numbers.good()) return false;
    slots_.resize(n_slots);
    for (Slot& slot : slots_) {
      if (!read_slot(frame, numbers, program[0], slot)) return false;
    }
    const int64_t n_calls = numbers.next(0, most);
    if (!numbers.good()) return false;
    calls_.reserve(n_calls);
    for (int64_t c = 0; c < n_calls; ++c) {
      if (!read_call(frame, numbers)) return false;
    }
    const auto scalar = [&] { return static_cast<const int64_t*>(number(numbers.next(0, n_slots))); };
    step_ = scalar(), stop_ = scalar(), spikes_ = scalar();
    room_ = numbers.next(-largest, largest);
    return numbers.ended() && step_ != nullptr && stop_ != nullptr && spikes_ != nullptr;
  }

  // Written down once: the handlers look at their operands, and leave what is to be done at each step.
  XLA_FFI_Error* write_down(XLA_FFI_CallFrame& frame) {
    written_down = &work_, sharers = 1;
    lists_kept.clear();
    std::vector<std::pair<std::shared_ptr<Spiking>, const Call*>> made;
    XLA_FFI_Error* error = nullptr;
    for (Call& call : calls_) {
      const size_t before = work_.size(), lists = lists_kept.size();
      if (call.kernel == nullptr) {
        work_.emplace_back([&call](ffi::ThreadPool&) { compute(call); });
      } else {
        error = call.kernel(&call.frame);
        if (error == nullptr && work_.size() == before) error = refuse(&frame, "run_steps: a kernel did not leave what it does");
      }
      if (error != nullptr) break;
      for (size_t l = lists; l < lists_kept.size(); ++l) made.emplace_back(lists_kept[l], &call);
      // Who writes over flags makes their list untrue.
      const auto gone = [&](const std::shared_ptr<Spiking>& list) { return writes(call, list->flags, list->n); };
      lists_kept.erase(std::remove_if(lists_kept.begin(), lists_kept.begin() + lists, gone), lists_kept.begin() + lists);
    }
    for (const auto& [list, maker] : made) {
      const auto others = [&, flags = list->flags, n = list->n, maker = maker](const Call& call) { return &call != maker && writes(call, flags, n); };
      list->alone = std::none_of(calls_.begin(), calls_.end(), others);
    }
    written_down = nullptr, sharers_ = sharers;
    lists_kept.clear();
    return error;
  }

  // With helpers where that is sooner, which is looked at in turns now and then: how much there is to share, and whether a core is free for
  // it, is not known before.
  void run(ffi::ThreadPool& pool) {
    struct Known {
      int64_t runs = 0;
      double gain = 0;  // logarithms of times alone less those with helpers; what was seen lately counts most, for activity has to settle first
    };
    static std::unordered_map<uint64_t, Known> all_known;  // by program; whoever has the helpers has it
    const int64_t to_the_end = std::numeric_limits<int64_t>::max();
    const int64_t threads = pool.num_threads() / sharers_;
    if (threads < 2) {
      const Alone guard;
      some(pool, to_the_end);
      return;
    }
    Helpers helpers(threads - 1);
    if (!helpers.free()) {
      some(pool, to_the_end);
      return;
    }
    Known& known = all_known[fingerprint_];
    const bool looks = known.runs < kFirstRuns || known.runs % kRunsToLook == 0;
    ++known.runs;
    if (looks) {
      some(pool, kTrial);
      double gain = 0;
      for (int turn = 0; turn < kTurns && helpers.asked(); ++turn) {
        helpers.rest = (turn + 1) / 2 % 2 != 0;  // each as early as the other, and in turns too short for activity to change
        if (!helpers.rest) {  // to wake they need longer than a step
          const int64_t helped = helpers.team().helped();
          for (int64_t step = 0; step < kMostToWake && helpers.team().helped() == helped; ++step) {
            if (some(pool, 1) < 1) return;
          }
        }
        const auto began = std::chrono::steady_clock::now();
        if (some(pool, kTrial) < kTrial) return;
        const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
        gain += (helpers.rest ? 1 : -1) * std::log(std::max(took, 1e-9));
      }
      known.gain = known.gain / 4 + gain;
    }
    helpers.rest = known.gain < 0;
    some(pool, to_the_end);
  }

 private:
  static constexpr int64_t kTrial = 16, kTurns = 12, kMostToWake = 256, kFirstRuns = 3, kRunsToLook = 16;
  static constexpr int64_t kLine = 64, kMostRank = 8, kMostOperands = 64, kMostAttributes = 4;

  struct Slot {
    XLA_FFI_Buffer buffer;
    int64_t dims[kMostRank];
    int64_t count = 1;
  };

  struct Attribute {
    std::string name;
    XLA_FFI_ByteSpan span;
    int64_t value;
    std::vector<int64_t> values;
    XLA_FFI_Scalar scalar;
    XLA_FFI_Array array;
  };

  struct Call {
    Handler* kernel = nullptr;
    Elementwise what = Elementwise::kCopy;
    std::vector<void*> operands, results;  // XLA_FFI_Buffer*
    std::vector<XLA_FFI_ArgType> operand_types;
    std::vector<XLA_FFI_RetType> result_types;
    std::vector<std::unique_ptr<Attribute>> attributes;
    std::vector<XLA_FFI_ByteSpan*> names;
    std::vector<XLA_FFI_AttrType> attribute_types;
    std::vector<void*> values;
    XLA_FFI_CallFrame frame{};
  };

  // Where it lies (0: an operand, 1: a result, 2: memory of our own), in which one or from which byte on, how many bytes further, type, shape.
  bool read_slot(const XLA_FFI_CallFrame& frame, Numbers& numbers, int64_t scratch, Slot& slot) {
    const int64_t most = int64_t{1} << 40, place = numbers.next(0, 3), index = numbers.next(0, most), further = numbers.next(0, most);
    slot.buffer = {XLA_FFI_Buffer_STRUCT_SIZE, nullptr, static_cast<XLA_FFI_DataType>(numbers.next(0, 64)), nullptr, numbers.next(0, kMostRank + 1), slot.dims};
    for (int64_t d = 0; d < slot.buffer.rank && numbers.good(); ++d) {
      slot.dims[d] = numbers.next(0, slot.count > 0 ? most / slot.count : most);  // so that the product stays a number
      slot.count *= slot.dims[d];
    }
    if (!numbers.good()) return false;
    const int64_t bytes = slot.count * width_of(slot.buffer.dtype);
    unsigned char* from = nullptr;
    int64_t extent = 0;
    if (place == 2) {
      const auto address = reinterpret_cast<uintptr_t>(scratch_.get());
      from = scratch_.get() + (kLine - address % kLine) % kLine, extent = scratch;
    } else {
      const int64_t n = place == 0 ? frame.args.size : frame.rets.size;
      if (index >= n) return false;
      const auto* buffer = static_cast<const XLA_FFI_Buffer*>(place == 0 ? frame.args.args[index] : frame.rets.rets[index]);
      from = static_cast<unsigned char*>(buffer->data), extent = bytes_of(*buffer);
    }
    const int64_t begin = (place == 2 ? index : 0) + further;
    if (width_of(slot.buffer.dtype) == 0 || begin + bytes > extent) return false;
    slot.buffer.data = from + begin;
    return true;
  }

  // A kernel's number, or −1 less that of an elementwise operation; operands, results, attributes.
  bool read_call(const XLA_FFI_CallFrame& frame, Numbers& numbers) {
    const int64_t kernel = numbers.next(-static_cast<int64_t>(Elementwise::kEnd), n_kernels_), n_slots = static_cast<int64_t>(slots_.size());
    Call& call = calls_.emplace_back();
    if (kernel >= 0) call.kernel = kernels_[kernel];
    if (kernel < 0) call.what = static_cast<Elementwise>(-1 - kernel);
    const int64_t n_operands = numbers.next(0, kMostOperands + 1);
    for (int64_t i = 0; i < n_operands && numbers.good(); ++i) call.operands.push_back(&slots_[numbers.next(0, n_slots)].buffer);
    const int64_t n_results = numbers.next(0, kMostOperands + 1);
    for (int64_t i = 0; i < n_results && numbers.good(); ++i) call.results.push_back(&slots_[numbers.next(0, n_slots)].buffer);
    const int64_t n_attributes = numbers.next(0, kMostAttributes + 1);
    for (int64_t i = 0; i < n_attributes && numbers.good(); ++i) {
      Attribute& attribute = *call.attributes.emplace_back(std::make_unique<Attribute>());
      const int64_t letters = numbers.next(1, 64);
      for (int64_t l = 0; l < letters; ++l) attribute.name.push_back(static_cast<char>(numbers.next(1, 128)));
      attribute.span = {attribute.name.data(), attribute.name.size()};
      call.names.push_back(&attribute.span);
      if (numbers.next(0, 2) == 0) {
        const int64_t* value = numbers.some(1);
        if (value == nullptr) return false;
        attribute.value = *value, attribute.scalar = {XLA_FFI_DataType_S64, &attribute.value};
        call.attribute_types.push_back(XLA_FFI_AttrType_SCALAR), call.values.push_back(&attribute.scalar);
      } else {
        const int64_t size = numbers.next(0, int64_t{1} << 20);
        const int64_t* values = numbers.some(size);
        if (values == nullptr) return false;
        attribute.values.assign(values, values + size), attribute.array = {XLA_FFI_DataType_S64, static_cast<size_t>(size), attribute.values.data()};
        call.attribute_types.push_back(XLA_FFI_AttrType_ARRAY), call.values.push_back(&attribute.array);
      }
    }
    if (!numbers.good() || (call.kernel == nullptr && !fits(call))) return false;
    call.operand_types.assign(call.operands.size(), XLA_FFI_ArgType_BUFFER);
    call.result_types.assign(call.results.size(), XLA_FFI_RetType_BUFFER);
    call.frame = frame;
    call.frame.args = {XLA_FFI_Args_STRUCT_SIZE, nullptr, n_operands, call.operand_types.data(), call.operands.data()};
    call.frame.rets = {XLA_FFI_Rets_STRUCT_SIZE, nullptr, n_results, call.result_types.data(), call.results.data()};
    call.frame.attrs = {XLA_FFI_Attrs_STRUCT_SIZE, nullptr, n_attributes, call.attribute_types.data(), call.names.data(), call.values.data()};
    return true;
  }

  static bool writes(const Call& call, const void* begin, int64_t bytes) {
    const auto overlaps = [&](const void* result) {
      const auto& buffer = *static_cast<const XLA_FFI_Buffer*>(result);
      const auto low = reinterpret_cast<uintptr_t>(begin), from = reinterpret_cast<uintptr_t>(buffer.data);
      return from < low + bytes && low < from + bytes_of(buffer);
    };
    return std::any_of(call.results.begin(), call.results.end(), overlaps);
  }

  // So many steps, or fewer where the end comes first; how many.
  int64_t some(ffi::ThreadPool& pool, int64_t most) {
    int64_t done = 0;
    for (; done < most && *step_ < *stop_ && *spikes_ <= room_; ++done) {
      for (Work& work : work_) work(pool);
    }
    return done;
  }

  // The place of a slot that holds one whole number.
  void* number(int64_t slot) {
    if (slot >= static_cast<int64_t>(slots_.size())) return nullptr;
    const Slot& at = slots_[slot];
    return at.count == 1 && at.buffer.dtype == XLA_FFI_DataType_S64 ? at.buffer.data : nullptr;
  }

  static const Slot& slot_of(const void* buffer) { return *static_cast<const Slot*>(buffer); }
  static const XLA_FFI_Buffer& operand(const Call& call, size_t i) { return *static_cast<const XLA_FFI_Buffer*>(call.operands[i]); }
  static const XLA_FFI_Buffer& result(const Call& call) { return *static_cast<const XLA_FFI_Buffer*>(call.results[0]); }

  static Operand given(const Call& call, size_t i) {
    return {operand(call, i).data, slot_of(call.operands[i]).count == 1 ? 0 : 1};
  }

  // Whether an operation has what it needs: as many operands, of equal types, with as many elements as the result or one.
  static bool fits(const Call& call) {
    if (call.results.size() != 1 || call.operands.empty()) return false;
    const int64_t n = slot_of(call.results[0]).count;
    if (call.what == Elementwise::kJoin) {
      int64_t all = 0;
      for (size_t i = 0; i < call.operands.size(); ++i) {
        if (operand(call, i).dtype != result(call).dtype) return false;
        all += slot_of(call.operands[i]).count;
      }
      return all == n;
    }
    if (call.what == Elementwise::kRow) {
      return call.operands.size() == 2 && operand(call, 0).dtype == result(call).dtype && n > 0 && slot_of(call.operands[0]).count >= n &&
             slot_of(call.operands[0]).count % n == 0 && slot_of(call.operands[1]).count == 1 &&
             (operand(call, 1).dtype == XLA_FFI_DataType_S32 || operand(call, 1).dtype == XLA_FFI_DataType_S64);
    }
    for (const void* each : call.operands) {
      if (slot_of(each).count != 1 && slot_of(each).count != n) return false;
    }
    const auto type = [&](size_t i) { return operand(call, i).dtype; };
    const auto out = result(call).dtype;
    switch (call.what) {
      case Elementwise::kCopy: return call.operands.size() == 1 && type(0) == out;
      case Elementwise::kConvert: return call.operands.size() == 1 && type(0) != XLA_FFI_DataType_PRED && out != XLA_FFI_DataType_PRED;
      case Elementwise::kNot: return call.operands.size() == 1 && type(0) == XLA_FFI_DataType_PRED && out == type(0);
      case Elementwise::kAnd:
      case Elementwise::kOr: return call.operands.size() == 2 && type(0) == XLA_FFI_DataType_PRED && type(1) == type(0) && out == type(0);
      case Elementwise::kSelect: return call.operands.size() == 3 && type(0) == XLA_FFI_DataType_PRED && type(1) == type(2) && type(1) == out;
      case Elementwise::kFloor:
      case Elementwise::kCeiling: return call.operands.size() == 1 && type(0) == out && (out == XLA_FFI_DataType_F32 || out == XLA_FFI_DataType_F64);
      case Elementwise::kMul:
      case Elementwise::kDiv:
      case Elementwise::kMax:
      case Elementwise::kMin: return call.operands.size() == 2 && type(0) == type(1) && type(0) == out && (out == XLA_FFI_DataType_F32 || out == XLA_FFI_DataType_F64);
      case Elementwise::kAdd:
      case Elementwise::kSub: return call.operands.size() == 2 && type(0) == type(1) && type(0) == out && out != XLA_FFI_DataType_PRED;
      default: return call.operands.size() == 2 && type(0) == type(1) && out == XLA_FFI_DataType_PRED && type(0) != out;
    }
  }

  template <class Do>
  static void with_type(XLA_FFI_DataType type, const Do& act) {
    switch (type) {
      case XLA_FFI_DataType_PRED: return act(bool{});
      case XLA_FFI_DataType_S32: return act(int32_t{});
      case XLA_FFI_DataType_U32: return act(uint32_t{});
      case XLA_FFI_DataType_S64: return act(int64_t{});
      case XLA_FFI_DataType_F32: return act(float{});
      default: return act(double{});
    }
  }

  static Number number_of(XLA_FFI_DataType type) {
    switch (type) {
      case XLA_FFI_DataType_PRED: return Number::kFlag;
      case XLA_FFI_DataType_S32: return Number::kInt32;
      case XLA_FFI_DataType_U32: return Number::kUint32;
      case XLA_FFI_DataType_S64: return Number::kInt64;
      case XLA_FFI_DataType_F32: return Number::kFloat;
      default: return Number::kDouble;
    }
  }

  static void compute(const Call& call) {
    void* const out = result(call).data;
    const int64_t n = slot_of(call.results[0]).count;
    const XLA_FFI_DataType type = operand(call, call.what == Elementwise::kSelect ? 1 : 0).dtype;
    switch (call.what) {
      case Elementwise::kJoin: {
        auto* to = static_cast<unsigned char*>(out);
        for (size_t i = 0; i < call.operands.size(); ++i) {
          const int64_t bytes = slot_of(call.operands[i]).count * width_of(type);
          if (to != operand(call, i).data) std::memcpy(to, operand(call, i).data, bytes);
          to += bytes;
        }
        return;
      }
      case Elementwise::kRow: {  // of those that there are the nearest
        const Operand at = given(call, 1);
        const int64_t rows = slot_of(call.operands[0]).count / n, wanted = operand(call, 1).dtype == XLA_FFI_DataType_S32 ? at.at<int32_t>(0) : at.at<int64_t>(0);
        const int64_t bytes = n * width_of(type);
        std::memmove(out, static_cast<const unsigned char*>(operand(call, 0).data) + std::clamp<int64_t>(wanted, 0, rows - 1) * bytes, bytes);
        return;
      }
      case Elementwise::kCopy: {
        const Operand from = given(call, 0);
        if (from.stride == 1 || n == 1) {
          if (out != from.data) std::memmove(out, from.data, n * width_of(type));
        } else {
          with_type(type, [&](auto zero) { std::fill_n(static_cast<decltype(zero)*>(out), n, from.template at<decltype(zero)>(0)); });
        }
        return;
      }
      case Elementwise::kSelect:
        return select(n, given(call, 0), given(call, 1), given(call, 2), width_of(type), out);
      case Elementwise::kConvert:
        return with_type(type, [&](auto from) {
          with_type(result(call).dtype, [&](auto to) { convert<decltype(from), decltype(to)>(n, given(call, 0), out); });
        });
      default:
        elementwise(call.what, number_of(type), n, given(call, 0), given(call, call.operands.size() - 1), out);
    }
  }

  Handler* const* kernels_;
  int64_t n_kernels_;
  std::unique_ptr<unsigned char[]> scratch_;
  std::vector<Slot> slots_;
  std::vector<Call> calls_;
  std::vector<Work> work_;
  const int64_t *step_ = nullptr, *stop_ = nullptr, *spikes_ = nullptr;
  int64_t room_ = 0;
  uint64_t fingerprint_ = 0;
  int64_t sharers_ = 1;
};

// Operands: whatever the kernels take, and last what the memories that change begin as. Results: those, aliased. The only attribute is the
// program.
inline XLA_FFI_Error* run_steps(XLA_FFI_CallFrame* frame, Handler* const* kernels, int64_t n_kernels) {
  if (frame->attrs.size != 1 || frame->attrs.types[0] != XLA_FFI_AttrType_ARRAY) return refuse(frame, "run_steps: it takes one array of numbers");
  const auto* program = static_cast<const XLA_FFI_Array*>(frame->attrs.attrs[0]);
  Steps steps(kernels, n_kernels);
  if (frame->args.size < frame->rets.size || program->dtype != XLA_FFI_DataType_S64 || !steps.read(*frame, static_cast<const int64_t*>(program->data), static_cast<int64_t>(program->size))) {
    return refuse(frame, "run_steps: the program does not fit to its operands");
  }
  const int64_t first = frame->args.size - frame->rets.size;
  for (int64_t r = 0; r < frame->rets.size; ++r) {
    const auto *in = static_cast<const XLA_FFI_Buffer*>(frame->args.args[first + r]), *out = static_cast<const XLA_FFI_Buffer*>(frame->rets.rets[r]);
    if (in->data != out->data) std::memcpy(out->data, in->data, bytes_of(*out));
  }
  if (XLA_FFI_Error* error = steps.write_down(*frame)) return error;
  ffi::DiagnosticEngine diagnostic;
  ffi::ThreadPool pool = *ffi::CtxDecoding<ffi::ThreadPool>::Decode(frame->api, frame->ctx, diagnostic);
  try {
    steps.run(pool);
  } catch (const Lost& lost) {
    return refuse(frame, lost.what(), XLA_FFI_Error_Code_UNAVAILABLE);
  }
  return nullptr;
}

}  // namespace ranvier::handlers
