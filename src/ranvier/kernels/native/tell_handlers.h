// Handlers by which devices that share a network tell each other who spiked.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "buffers.h"
#include "circle.h"
#include "loops.h"
#include "perform.h"
#include "told_spikes.h"

template <>
struct xla::ffi::CtxBinding<xla::ffi::RunId> {
  using Ctx = RunId;
};

namespace ranvier::handlers {

// The circles of this process, by the numbers under which programs know them. They stay.
class Circles {
 public:
  static Circle* find(int64_t number) {
    const std::lock_guard<std::mutex> lock(mutex());
    const auto known = all().find(number);
    return known == all().end() ? nullptr : known->second.get();
  }

  static void open(int64_t number, std::unique_ptr<Circle> circle) {
    const std::lock_guard<std::mutex> lock(mutex());
    all().emplace(number, std::move(circle));
  }

 private:
  static std::mutex& mutex() {
    static std::mutex one;
    return one;
  }
  static std::map<int64_t, std::unique_ptr<Circle>>& all() {
    static auto* const circles = new std::map<int64_t, std::unique_ptr<Circle>>;
    return *circles;
  }
};

// A device among those of its circle. Where steps are written down it is the same for all of them.
class Teller {
 public:
  Teller(int64_t circle, ffi::RunId run, ffi::Buffer<ffi::S32> device) : circle_(Circles::find(circle)), run_(run.run_id), device_(device) {
    if (circle_ != nullptr && written_down != nullptr) sharers = std::max(sharers, circle_->sharers());
  }

  int64_t devices() const { return circle_ == nullptr ? 0 : circle_->devices(); }
  bool fits() const { return circle_ != nullptr && device_.element_count() == 1; }

  // Which device this is shows when it is first asked: until then nothing is computed yet.
  int64_t device() const {
    const int64_t device = device_.typed_data()[0];
    if (device < 0 || device >= circle_->devices() || !circle_->here(device)) throw Lost("this device is not of the circle");
    return device;
  }

  Circle::Talk& talk() {
    if (!talk_) talk_.emplace(*circle_, run_, device());
    return *talk_;
  }

 private:
  Circle* circle_;
  int64_t run_;
  ffi::Buffer<ffi::S32> device_;
  std::optional<Circle::Talk> talk_;
};

// `perform`, for what may find that another device is lost: that is an error of the handler, or of the steps that it is part of.
template <class Do>
ffi::Error perform_together(Do&& work) {
  try {
    return perform(std::forward<Do>(work));
  } catch (const Lost& lost) {
    return ffi::Error(ffi::ErrorCode::kUnavailable, lost.what());
  }
}

inline ffi::Error tell_spikes(ffi::RunId run, ffi::Buffer<ffi::PRED> flags, ffi::Buffer<ffi::S32> device, ffi::ResultBuffer<ffi::PRED> everybody,
                              int64_t circle, ffi::Span<const int64_t> sizes) {
  // flags [places here], everybody [neurons]
  Teller teller(circle, run, device);
  Cuts cuts(sizes.begin(), static_cast<int64_t>(sizes.size()), std::max<int64_t>(teller.devices(), 1));
  if (!teller.fits() || static_cast<int64_t>(flags.element_count()) != cuts.here || static_cast<int64_t>(everybody->element_count()) != cuts.whole) {
    return shapes("tell_spikes");
  }
  return perform_together([=]() mutable {
    Circle::Talk& talk = teller.talk();
    say_flags(flags.typed_data(), cuts.here, talk.own());
    if (!hear_flags(talk.told(), cuts, everybody->typed_data())) throw Lost("a device says what does not fit");
  });
}

// When devices tell each other of several steps: at the end of all, and after every so many.
struct Due {
  ffi::Buffer<ffi::S64> step, stop, every, first;
  bool fits() const { return step.element_count() == 1 && stop.element_count() == 1 && every.element_count() == 1 && first.element_count() == 1; }
  bool now() const {
    const int64_t k = step.typed_data()[0];
    return k >= stop.typed_data()[0] || k - first.typed_data()[0] >= every.typed_data()[0];
  }
};

inline ffi::Error tell_listed(ffi::RunId run, ffi::Buffer<ffi::S64> steps, ffi::Buffer<ffi::S32> neurons, ffi::Buffer<ffi::S64> until,
                              ffi::Buffer<ffi::S64> step, ffi::Buffer<ffi::S64> stop, ffi::Buffer<ffi::S64> every, ffi::Buffer<ffi::S32> device,
                              ffi::Buffer<ffi::S32> source, ffi::Buffer<ffi::S32> count, ffi::Buffer<ffi::S64> since, ffi::Buffer<ffi::S64> first,
                              ffi::Buffer<ffi::S64> most, ffi::ResultBuffer<ffi::S32> new_source, ffi::ResultBuffer<ffi::S32> new_count,
                              ffi::ResultBuffer<ffi::S64> new_since, ffi::ResultBuffer<ffi::S64> new_first, ffi::ResultBuffer<ffi::S64> new_most,
                              int64_t circle, ffi::Span<const int64_t> sizes) {
  // steps and neurons [capacity], source [slots, neurons], count [slots]; the others are one number each
  Teller teller(circle, run, device);
  const Cuts cuts(sizes.begin(), static_cast<int64_t>(sizes.size()), std::max<int64_t>(teller.devices(), 1));
  const Due due{step, stop, every, first};
  const Dimensions s = new_source->dimensions();
  if (!teller.fits() || !due.fits() || steps.element_count() != neurons.element_count() || until.element_count() != 1 || s.size() != 2 || s[1] != cuts.whole ||
      s[0] < 1 || static_cast<int64_t>(count.element_count()) != s[0] || !equal(source.dimensions(), s) || new_count->element_count() != count.element_count() ||
      since.element_count() != 1 || most.element_count() != 1 || new_since->element_count() != 1 || new_first->element_count() != 1 || new_most->element_count() != 1) {
    return shapes("tell_listed");
  }
  return perform_together([=]() mutable {
    carry_over(source, new_source), carry_over(count, new_count), carry_over(since, new_since), carry_over(first, new_first), carry_over(most, new_most);
    if (!due.now()) return;
    const int64_t capacity = static_cast<int64_t>(steps.element_count()), k = step.typed_data()[0], began = new_first->typed_data()[0];
    const int64_t end = std::clamp<int64_t>(until.typed_data()[0], 0, capacity), begin = std::clamp<int64_t>(new_since->typed_data()[0], 0, end);
    Circle::Talk& talk = teller.talk();
    say_listed(steps.typed_data(), neurons.typed_data(), begin, end, began, cuts.here, talk.own());
    const int64_t listed = hear_listed(talk.told(), cuts, began, std::clamp<int64_t>(k - began, 0, s[0]), s[0], new_source->typed_data(), new_count->typed_data());
    if (listed < 0) throw Lost("a device says what does not fit");
    new_since->typed_data()[0] = end, new_first->typed_data()[0] = k, new_most->typed_data()[0] = listed;
  });
}

inline ffi::Error tell_most(ffi::RunId run, ffi::Buffer<ffi::S64> number, ffi::Buffer<ffi::S64> step, ffi::Buffer<ffi::S64> stop, ffi::Buffer<ffi::S64> every,
                            ffi::Buffer<ffi::S32> device, ffi::Buffer<ffi::S64> first, ffi::Buffer<ffi::S64> most, ffi::ResultBuffer<ffi::S64> new_first,
                            ffi::ResultBuffer<ffi::S64> new_most, int64_t circle) {
  Teller teller(circle, run, device);
  const Due due{step, stop, every, first};
  if (!teller.fits() || !due.fits() || number.element_count() != 1 || most.element_count() != 1 || new_first->element_count() != 1 || new_most->element_count() != 1) {
    return shapes("tell_most");
  }
  return perform_together([=]() mutable {
    carry_over(first, new_first), carry_over(most, new_most);
    if (!due.now()) return;
    Circle::Talk& talk = teller.talk();
    const int64_t own = number.typed_data()[0];
    talk.own().resize(sizeof own);
    std::memcpy(talk.own().data(), &own, sizeof own);
    int64_t largest = own;
    for (const Message& message : talk.told()) {
      int64_t theirs = 0;
      if (message.size != sizeof theirs) throw Lost("a device says what does not fit");
      std::memcpy(&theirs, message.bytes, sizeof theirs);
      largest = std::max(largest, theirs);
    }
    new_first->typed_data()[0] = step.typed_data()[0], new_most->typed_data()[0] = largest;
  });
}

// A number as it is, once all the others are there: for what must not begin before.
inline ffi::Error after(ffi::Buffer<ffi::S64> number, ffi::RemainingArgs, ffi::ResultBuffer<ffi::S64> same) {
  if (number.element_count() != same->element_count()) return shapes("after");
  return perform([=]() mutable { carry_over(number, same); });
}

}  // namespace ranvier::handlers
