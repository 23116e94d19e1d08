// Devices that compute one network together, and how what each of them says becomes known to all: through memory within a process, through
// sockets between processes.
//
// All say something equally often and in the same order. Who has said something waits until all have.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

namespace ranvier {

using Bytes = std::vector<unsigned char>;

// Numbers in messages, which lie at any address.
template <class T>
T number_at(const unsigned char* bytes) {
  T number;
  std::memcpy(&number, bytes, sizeof number);
  return number;
}

template <class T>
void put(unsigned char* bytes, T number) {
  std::memcpy(bytes, &number, sizeof number);
}

struct Message {
  const unsigned char* bytes = nullptr;
  int64_t size = 0;
};

// Which of those that share the cores of this machine somebody is.
struct Place {
  int64_t number = 0, sharers = 1;
};

// Another device did not say what it had to.
class Lost : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The other processes, each behind a socket that is open already. They are lost together: where one is, all others learn of it.
class Peers {
 public:
  // Sockets by number of the process, −1 in the place of this one; `patience` in seconds.
  Peers(int64_t own, std::vector<int> sockets, double patience);
  Peers(const Peers&) = delete;
  Peers& operator=(const Peers&) = delete;
  ~Peers();

  int64_t own() const { return own_; }
  int64_t processes() const { return static_cast<int64_t>(sockets_.size()); }
  double patience() const { return patience_; }

  // How much room a message needs before what it says.
  static constexpr int64_t kHead = 16;

  // Says to all others what follows `kHead` bytes in `said`; what they say, by process. `meanwhile` is called now and then where that takes
  // long, and may throw.
  void exchange(Bytes& said, std::vector<Bytes>& heard, const Place& place, const std::function<void()>& meanwhile = {});

 private:
  struct Incoming {
    Bytes begun;  // what came that belongs to no message yet
    bool whole = false;
  };

  bool receive(int64_t process, Bytes& into);
  bool complete(int64_t process, Bytes& into);
  [[noreturn]] void lose(const std::string& why);

  int64_t own_;
  std::vector<int> sockets_;
  double patience_;
  uint64_t rounds_ = 0;
  std::vector<Incoming> incoming_;
  Bytes some_;
  std::mutex mutex_;
  std::string lost_;
};

class Circle {
 public:
  // The process of each device; without peers all devices are of this one. `sharers` of them share this machine; the place of each among
  // those that it shares its machine with.
  Circle(std::vector<int64_t> processes, std::vector<int64_t> places, Peers* peers, int64_t sharers, double patience);
  Circle(const Circle&) = delete;
  Circle& operator=(const Circle&) = delete;

  int64_t devices() const { return static_cast<int64_t>(processes_.size()); }
  int64_t sharers() const { return sharers_; }
  bool here(int64_t device) const { return processes_[device] == own_; }

 private:
  struct Session {
    explicit Session(int64_t run, const Circle& circle);
    const int64_t run;
    std::vector<int64_t> spoken;      // how often each device has said something
    std::vector<Bytes> said[2];       // by device, of this turn and of the last
    std::vector<Message> messages[2];  // by device
    std::vector<Bytes> heard[2];      // by process
    Bytes outgoing;
    alignas(64) std::atomic<int64_t> arrived{0};
    alignas(64) std::atomic<int64_t> turn{0};
    std::atomic<bool> broken{false};
    std::string why;
  };

 public:
  // What one device says in a run, and what it is told.
  class Talk {
   public:
    Talk(Circle& circle, int64_t run, int64_t device);

    // Where it writes what it says next.
    Bytes& own();

    // Says it, and waits for the others: what all have said, by device; stays until what the device says next has been told.
    const std::vector<Message>& told();

   private:
    Circle& circle_;
    std::shared_ptr<Session> session_;
    int64_t device_;
  };

 private:
  std::shared_ptr<Session> session(int64_t run);
  void speak(Session& session, int64_t parity, const Place& place);
  void wait(Session& session, int64_t turn, const Place& place);
  Place place(int64_t device) const { return {places_[device], sharers_}; }
  void wake();

  const std::vector<int64_t> processes_, places_;
  Peers* const peers_;
  const int64_t own_, sharers_;
  int64_t here_ = 0;  // how many devices are of this process
  const double patience_;
  std::mutex mutex_;
  std::condition_variable woken_;
  std::atomic<int64_t> asleep_{0};
  std::vector<std::shared_ptr<Session>> sessions_;
};

}  // namespace ranvier
