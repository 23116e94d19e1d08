// What devices that share a network tell each other of their spikes, as bytes, and what these mean.
#pragma once

#include <cstdint>
#include <vector>

#include "circle.h"

namespace ranvier {

// How populations are cut for so many devices: into neighbouring neurons, the first devices have one more where the number does not divide,
// and each has room for as many as the first.
struct Cuts {
  struct Population {
    int64_t n;      // neurons of it
    int64_t first;  // its first among all neurons
    int64_t start;  // and among a device's
    int64_t room;   // of a device
  };

  Cuts(const int64_t* sizes, int64_t populations, int64_t devices);

  int64_t begin(int64_t device, const Population& p) const { return p.first + device * (p.n / devices) + (device < p.n % devices ? device : p.n % devices); }
  int64_t count(int64_t device, const Population& p) const { return p.n / devices + (device < p.n % devices); }

  int64_t devices;
  int64_t here = 0;   // places of a device
  int64_t whole = 0;  // neurons in all
  std::vector<Population> populations;
};

// Who spiked in one step, of the `n` neurons of a device: a list or bits, what is shorter.
void say_flags(const bool* flags, int64_t n, Bytes& message);

// Flags of all neurons, in the user's order, from what each device says; false where that cannot be. Places that stand for nobody are passed over.
bool hear_flags(const std::vector<Message>& messages, const Cuts& cuts, bool* flags);

// Spikes `since` to `until` of a device's list, of steps from `first` on; and how many it has in all.
void say_listed(const int64_t* steps, const int32_t* neurons, int64_t since, int64_t until, int64_t first, int64_t n, Bytes& message);

// Notes them for delivery: those of step k, ascending, in row k mod slots of `source`, and how many they are. The most that any device has in
// its list, or −1 where what they say cannot be.
int64_t hear_listed(const std::vector<Message>& messages, const Cuts& cuts, int64_t first, int64_t steps, int64_t slots, int32_t* source, int32_t* count);

}  // namespace ranvier
