// What devices tell each other, under the sanitizers: messages as they are written and as an enemy would write them, threads that tell each
// other in memory, and processes' sockets, one of which closes.
#include <algorithm>
#include <string>
#include <thread>

#include "checks.h"
#include "circle.h"
#include "told_spikes.h"

#if defined(__unix__) || defined(__APPLE__)
#include <sys/socket.h>
#endif

namespace {

using ranvier::Bytes;
using ranvier::Circle;
using ranvier::Cuts;
using ranvier::Message;

std::vector<Message> messages_of(const std::vector<Bytes>& said) {
  std::vector<Message> messages;
  for (const Bytes& each : said) messages.push_back({each.data(), static_cast<int64_t>(each.size())});
  return messages;
}

void check_flags(const std::vector<int64_t>& sizes, int64_t devices, int64_t of_hundred) {
  const Cuts cuts(sizes.data(), static_cast<int64_t>(sizes.size()), devices);
  std::vector<char> expected(cuts.whole, 0), heard(cuts.whole, 1);
  std::vector<Bytes> said(devices);
  for (int64_t d = 0; d < devices; ++d) {
    std::vector<char> here(cuts.here);
    for (char& flag : here) flag = integer(0, 99) < of_hundred;
    for (const Cuts::Population& p : cuts.populations) {
      for (int64_t i = 0; i < cuts.count(d, p); ++i) expected[cuts.begin(d, p) + i] = here[p.start + i];
    }
    ranvier::say_flags(reinterpret_cast<const bool*>(here.data()), cuts.here, said[d]);
  }
  expect(ranvier::hear_flags(messages_of(said), cuts, reinterpret_cast<bool*>(heard.data())), "hear_flags: refused");
  expect(heard == expected, "hear_flags: others");
  for (Bytes& each : said) {
    for (unsigned char& byte : each) byte = integer(0, 3) == 0 ? static_cast<unsigned char>(integer(0, 255)) : byte;
    each.resize(integer(0, static_cast<int64_t>(each.size())));
  }
  ranvier::hear_flags(messages_of(said), cuts, reinterpret_cast<bool*>(heard.data()));
}

void check_listed(const std::vector<int64_t>& sizes, int64_t devices, int64_t steps, int64_t of_hundred) {
  const Cuts cuts(sizes.data(), static_cast<int64_t>(sizes.size()), devices);
  const int64_t first = integer(-3, 1000), slots = steps + integer(0, 3);
  std::vector<std::vector<int32_t>> expected(steps);
  std::vector<Bytes> said(devices);
  std::vector<std::vector<char>> flags(steps, std::vector<char>(cuts.whole, 0));
  int64_t most = 0;
  for (int64_t d = 0; d < devices; ++d) {
    const int64_t before = integer(0, 5);
    std::vector<int64_t> at(before, 0);
    std::vector<int32_t> neurons(before, 0);
    for (int64_t s = 0; s < steps; ++s) {
      for (const Cuts::Population& p : cuts.populations) {
        for (int64_t i = 0; i < cuts.count(d, p); ++i) {
          if (integer(0, 99) >= of_hundred) continue;
          at.push_back(first + s), neurons.push_back(static_cast<int32_t>(p.start + i));
          flags[s][cuts.begin(d, p) + i] = 1;
        }
      }
    }
    const int64_t all = static_cast<int64_t>(at.size());
    most = std::max(most, all);
    ranvier::say_listed(at.data(), neurons.data(), before, all, first, cuts.here, said[d]);
  }
  std::vector<int32_t> source(slots * cuts.whole, -1), count(slots, -1);
  expect(ranvier::hear_listed(messages_of(said), cuts, first, steps, slots, source.data(), count.data()) == most, "hear_listed: how many");
  for (int64_t s = 0; s < steps; ++s) {
    const int64_t row = ((first + s) % slots + slots) % slots;
    int64_t n = 0;
    for (int64_t i = 0; i < cuts.whole; ++i) {
      if (flags[s][i]) expect(source[row * cuts.whole + n++] == i, "hear_listed: others");
    }
    expect(count[row] == n, "hear_listed: more or fewer");
  }
  for (Bytes& each : said) {
    for (unsigned char& byte : each) byte = integer(0, 5) == 0 ? static_cast<unsigned char>(integer(0, 255)) : byte;
    each.resize(integer(0, static_cast<int64_t>(each.size())));
  }
  ranvier::hear_listed(messages_of(said), cuts, first, steps, slots, source.data(), count.data());
}

// Every device tells the others `rounds` numbers; how many devices lost another.
int64_t talked(std::vector<Circle*> circle_of, int64_t run, int64_t rounds, int64_t leaves, int64_t at) {
  const int64_t devices = static_cast<int64_t>(circle_of.size());
  std::atomic<int64_t> wrong{0}, lost{0};
  std::vector<std::thread> threads;
  for (int64_t d = 0; d < devices; ++d) {
    threads.emplace_back([&, d] {
      try {
        Circle::Talk talk(*circle_of[d], run, d);
        for (int64_t r = 0; r < rounds; ++r) {
          if (d == leaves && r == at) return;
          const std::string own(static_cast<size_t>(r * 37 % 5000 + d), static_cast<char>('a' + (r + d) % 26));
          talk.own().assign(own.begin(), own.end());
          const auto& all = talk.told();
          for (int64_t o = 0; o < devices; ++o) {
            const std::string expected(static_cast<size_t>(r * 37 % 5000 + o), static_cast<char>('a' + (r + o) % 26));
            if (all[o].size != static_cast<int64_t>(expected.size()) || !std::equal(expected.begin(), expected.end(), all[o].bytes)) ++wrong;
          }
        }
      } catch (const ranvier::Lost&) {
        ++lost;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  expect(wrong == 0, "a circle: something else was told");
  return lost;
}

void check_memory() {
  for (const int64_t devices : {1, 2, 3, 5}) {
    std::vector<int64_t> places;
    for (int64_t d = 0; d < devices; ++d) places.push_back(d);
    Circle circle(std::vector<int64_t>(devices, 0), places, nullptr, devices, 0.2);
    for (const int64_t run : {7, 8, 9}) expect(talked(std::vector<Circle*>(devices, &circle), run, 300, -1, 0) == 0, "a circle: lost");
    if (devices > 1) expect(talked(std::vector<Circle*>(devices, &circle), 10, 300, 0, 150) == devices - 1, "a circle: one left and was not missed");
    expect(talked(std::vector<Circle*>(devices, &circle), 11, 30, -1, 0) == 0, "a circle: a new run after one that broke");
  }
}

void check_sockets() {
#if defined(__unix__) || defined(__APPLE__)
  const int64_t processes = 3;
  for (const bool breaks : {false, true}) {
    std::vector<std::vector<int>> sockets(processes, std::vector<int>(processes, -1));
    for (int64_t a = 0; a < processes; ++a) {
      for (int64_t b = 0; b < a; ++b) {
        int pair[2];
        expect(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "no sockets");
        sockets[a][b] = pair[0], sockets[b][a] = pair[1];
      }
    }
    // Process 0 has two devices, the others one.
    const std::vector<int64_t> of{0, 1, 0, 2}, places{0, 1, 2, 3};
    std::vector<std::unique_ptr<ranvier::Peers>> peers;
    std::vector<std::unique_ptr<Circle>> circles;
    for (int64_t p = 0; p < processes; ++p) {
      peers.push_back(std::make_unique<ranvier::Peers>(p, sockets[p], 0.5));
      circles.push_back(std::make_unique<Circle>(of, places, peers[p].get(), 4, 0.5));
    }
    std::vector<Circle*> each;
    for (const int64_t p : of) each.push_back(circles[p].get());
    expect(talked(each, 1, 200, breaks ? 3 : -1, 100) == (breaks ? 3 : 0), "sockets: one was lost, or not missed");
  }
#endif
}

}  // namespace

void check_circle() {
  for (const std::vector<int64_t>& sizes : {std::vector<int64_t>{1}, {40}, {7, 1, 0, 130}, {640, 3}}) {
    for (const int64_t devices : {1, 2, 3, 8}) {
      for (const int64_t of_hundred : {0, 1, 3, 50, 100}) {
        check_flags(sizes, devices, of_hundred);
        for (const int64_t steps : {1, 2, 16}) check_listed(sizes, devices, steps, of_hundred);
      }
    }
  }
  check_memory();
  check_sockets();
}
