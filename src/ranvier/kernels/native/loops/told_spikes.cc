#include "told_spikes.h"

#include <algorithm>

#include "loops.h"

namespace ranvier {
namespace {

constexpr int32_t kBits = -1;  // in the place of how many spikes a list has
constexpr int64_t kSize = 4, kHeadOfList = 16;

}  // namespace

Cuts::Cuts(const int64_t* sizes, int64_t populations, int64_t devices) : devices(devices) {
  for (int64_t p = 0; p < populations; ++p) {
    const int64_t n = std::max<int64_t>(sizes[p], 0), room = (n + devices - 1) / devices;
    this->populations.push_back({n, whole, here, room});
    whole += n, here += room;
  }
}

void say_flags(const bool* flags, int64_t n, Bytes& message) {
  const int64_t in_bits = (n + 7) / 8, most = in_bits / kSize;
  message.resize(static_cast<size_t>(kSize * (2 + most)));
  int64_t count = 0;
  unsigned char* const list = message.data() + kSize;
  for_each_set(flags, n, [&](int64_t i) {
    if (count < most) put(list + count * kSize, static_cast<int32_t>(i));
    ++count;
  });
  if (count <= most) {
    put(message.data(), static_cast<int32_t>(count));
    message.resize(static_cast<size_t>(kSize * (1 + count)));
    return;
  }
  message.assign(static_cast<size_t>(kSize + in_bits), 0);
  put(message.data(), kBits);
  for (int64_t i = 0; i < n; ++i) message[static_cast<size_t>(kSize + i / 8)] |= static_cast<unsigned char>(flags[i] << i % 8);
}

bool hear_flags(const std::vector<Message>& messages, const Cuts& cuts, bool* flags) {
  std::fill_n(flags, cuts.whole, false);
  if (static_cast<int64_t>(messages.size()) != cuts.devices) return false;
  for (int64_t d = 0; d < cuts.devices; ++d) {
    const Message& message = messages[static_cast<size_t>(d)];
    if (message.size < kSize) return false;
    const int32_t count = number_at<int32_t>(message.bytes);
    const unsigned char* const body = message.bytes + kSize;
    if (count == kBits ? message.size - kSize != (cuts.here + 7) / 8 : count < 0 || message.size - kSize != kSize * count) return false;
    auto p = cuts.populations.begin();
    const auto set = [&](int64_t place) {
      while (p != cuts.populations.end() && place >= p->start + p->room) ++p;
      if (p == cuts.populations.end() || place < p->start || place - p->start >= cuts.count(d, *p)) return;
      flags[cuts.begin(d, *p) + place - p->start] = true;
    };
    if (count == kBits) {
      for (int64_t i = 0; i < cuts.here; ++i) {
        if (body[i / 8] >> i % 8 & 1) set(i);
      }
    } else {
      for (int64_t s = 0; s < count; ++s) set(number_at<int32_t>(body + s * kSize));
    }
  }
  return true;
}

void say_listed(const int64_t* steps, const int32_t* neurons, int64_t since, int64_t until, int64_t first, int64_t n, Bytes& message) {
  const int64_t count = std::max<int64_t>(until - since, 0);
  message.resize(static_cast<size_t>(kHeadOfList + 8 * count));
  put(message.data(), until), put(message.data() + 8, count);
  for (int64_t s = 0; s < count; ++s) put(message.data() + kHeadOfList + 8 * s, (steps[since + s] - first) * n + neurons[since + s]);
}

int64_t hear_listed(const std::vector<Message>& messages, const Cuts& cuts, int64_t first, int64_t steps, int64_t slots, int32_t* source, int32_t* count) {
  if (static_cast<int64_t>(messages.size()) != cuts.devices) return -1;
  int64_t most = 0;
  std::vector<int64_t> at(messages.size(), 0), listed;
  for (const Message& message : messages) {
    if (message.size < kHeadOfList) return -1;
    most = std::max(most, number_at<int64_t>(message.bytes));
    listed.push_back(number_at<int64_t>(message.bytes + 8));
    if (listed.back() < 0 || listed.back() > (message.size - kHeadOfList) / 8) return -1;
  }
  for (int64_t step = 0; step < steps; ++step) {
    const int64_t row = floor_mod(first + step, slots);
    int32_t* const noted = source + row * cuts.whole;
    int64_t n = 0;
    for (const Cuts::Population& p : cuts.populations) {
      for (int64_t d = 0; d < cuts.devices; ++d) {
        const unsigned char* const list = messages[static_cast<size_t>(d)].bytes + kHeadOfList;
        const int64_t from = step * cuts.here + p.start, here = cuts.count(d, p), begin = cuts.begin(d, p);
        for (int64_t& s = at[static_cast<size_t>(d)]; s < listed[static_cast<size_t>(d)]; ++s) {
          const int64_t place = number_at<int64_t>(list + 8 * s) - from;
          if (place >= p.room) break;
          if (place >= 0 && place < here && n < cuts.whole) noted[n++] = static_cast<int32_t>(begin + place);
        }
      }
    }
    count[row] = static_cast<int32_t>(n);
  }
  return most;
}

}  // namespace ranvier
