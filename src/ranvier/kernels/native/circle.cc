#include "circle.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

#if defined(__unix__) || defined(__APPLE__)
#include <cerrno>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#endif
#if defined(__linux__)
#include <sched.h>
#endif

namespace ranvier {
namespace {

constexpr size_t kMostSessions = 16;
// Who waits looks out for a while, which is all that it takes where each has a core, and then sleeps: where others want the cores, who looks
// out for long has to stand back later, and a thread that is woken need not.
constexpr std::chrono::microseconds kShort{20}, kLooksOut{50}, kAwake{50};
constexpr int64_t kLooksBetweenTimes = 16;
constexpr int kMillisecondsAsleep = 100;
constexpr size_t kReadAtOnce = size_t{1} << 16;

using Clock = std::chrono::steady_clock;

void pause() {
#if defined(__x86_64__) && defined(__GNUC__)
  __builtin_ia32_pause();
#endif
}

// Lets this thread go on from the core of its place on, where each device may have one: who starts several begins them on its own, and a
// scheduler takes a good part of a second to draw apart two that wait for each other. It may move as before.
void go_apart(const Place& place) {
#if defined(__linux__)
  cpu_set_t allowed;
  if (place.sharers < 2 || sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  const int64_t cores = CPU_COUNT(&allowed);
  if (place.sharers > cores) return;
  int64_t wanted = place.number * cores / place.sharers;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (!CPU_ISSET(core, &allowed) || wanted-- > 0) continue;
    if (core == sched_getcpu()) return;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    if (sched_setaffinity(0, sizeof one, &one) == 0) sched_setaffinity(0, sizeof allowed, &allowed);
    return;
  }
#else
  static_cast<void>(place);
#endif
}

// How long who waits stays awake, and how it passes the time.
class Patience {
 public:
  explicit Patience(const Place& place)
      : place_(place), apart_(Clock::now() + kShort), out_(apart_ + (cores_are_few(place.sharers) ? kShort : kLooksOut)), awake_(out_ + kAwake) {}

  bool awake() const { return !late_; }

  void look() {
    if (yields_) {
      std::this_thread::yield();
    } else {
      pause();
    }
    if (++looks_ % kLooksBetweenTimes != 0 && !yields_) return;
    const auto now = Clock::now();
    if (now > apart_ && !goes_apart_) goes_apart_ = true, go_apart(place_);  // it may be on the core that it waits for
    yields_ = now > out_, late_ = now > awake_;
  }

 private:
  static bool cores_are_few(int64_t sharers) {
    static const int64_t cores = std::thread::hardware_concurrency();
    return sharers > cores;
  }

  Place place_;
  Clock::time_point apart_, out_, awake_;
  int64_t looks_ = 0;
  bool goes_apart_ = false, yields_ = false, late_ = false;
};

}  // namespace

Peers::Peers(int64_t own, std::vector<int> sockets, double patience)
    : own_(own), sockets_(std::move(sockets)), patience_(patience), incoming_(sockets_.size()), some_(kReadAtOnce) {}

#if defined(__unix__) || defined(__APPLE__)

Peers::~Peers() {
  for (int& socket : sockets_) {
    if (socket >= 0) close(socket);
  }
}

void Peers::lose(const std::string& why) {
  lost_ = why;
  for (const int socket : sockets_) {
    if (socket >= 0) shutdown(socket, SHUT_RDWR);
  }
  throw Lost(why);
}

// Whether a whole message has come, which is then taken.
bool Peers::complete(int64_t process, Bytes& into) {
  Incoming& from = incoming_[process];
  if (from.begun.size() < kHead) return false;
  const uint64_t round = number_at<uint64_t>(from.begun.data()), size = number_at<uint64_t>(from.begun.data() + 8);
  if (round != rounds_) lose("process " + std::to_string(process) + " is not in step with this one");
  if (size > (uint64_t{1} << 40)) lose("process " + std::to_string(process) + " says what it cannot");
  if (from.begun.size() - kHead < size) return false;
  into.assign(from.begun.begin() + kHead, from.begun.begin() + static_cast<int64_t>(kHead + size));
  from.begun.erase(from.begun.begin(), from.begun.begin() + static_cast<int64_t>(kHead + size));
  return from.whole = true;
}

// Whether something came.
bool Peers::receive(int64_t process, Bytes& into) {
  Incoming& from = incoming_[process];
  const ssize_t n = recv(sockets_[process], some_.data(), some_.size(), MSG_DONTWAIT);
  if (n > 0) {
    from.begun.insert(from.begun.end(), some_.begin(), some_.begin() + n);
    complete(process, into);
    return true;
  }
  if (n == 0) lose("process " + std::to_string(process) + " closed its connection");
  if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) lose("process " + std::to_string(process) + ": " + std::strerror(errno));
  return false;
}

void Peers::exchange(Bytes& said, std::vector<Bytes>& heard, const Place& place, const std::function<void()>& meanwhile) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!lost_.empty()) throw Lost(lost_);
  put<uint64_t>(said.data(), rounds_), put<uint64_t>(said.data() + 8, said.size() - kHead);
  const int64_t all = processes();
  std::vector<size_t> sent(all, 0);
  int64_t open = 0;  // messages that are not through yet, of both ways
  for (int64_t p = 0; p < all; ++p) {
    if (p == own_) continue;
    open += 2;
    incoming_[p].whole = false;
    if (complete(p, heard[p])) --open;
  }
#if defined(MSG_NOSIGNAL)
  constexpr int how = MSG_DONTWAIT | MSG_NOSIGNAL;
#else
  constexpr int how = MSG_DONTWAIT;
#endif
  const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(patience_));
  Patience patience(place);
  for (bool idle = true; open > 0;) {
    for (int64_t p = 0; p < all; ++p) {
      if (p == own_ || sent[p] == said.size()) continue;
      const ssize_t n = send(sockets_[p], said.data() + sent[p], said.size() - sent[p], how);
      if (n > 0) {
        idle = false;
        sent[p] += static_cast<size_t>(n);
        if (sent[p] == said.size()) --open;
      } else if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
        lose("process " + std::to_string(p) + ": " + std::strerror(errno));
      }
    }
    for (int64_t p = 0; p < all; ++p) {
      if (p == own_ || incoming_[p].whole) continue;
      if (receive(p, heard[p])) idle = false;
      if (incoming_[p].whole) --open;
    }
    if (!idle) patience = Patience(place);
    idle = true;
    if (patience.awake()) {
      patience.look();
      continue;
    }
    if (meanwhile) {
      try {
        meanwhile();
      } catch (...) {
        lost_ = "this process left an exchange";
        throw;
      }
    }
    if (Clock::now() > end) {
      const auto silent = std::find_if(incoming_.begin(), incoming_.end(), [&](const Incoming& from) { return &from != &incoming_[own_] && !from.whole; });
      const int64_t who = silent != incoming_.end() ? silent - incoming_.begin() : own_ == 0 ? 1 : 0;
      lose("process " + std::to_string(who) + " gave no sign of life for " + std::to_string(static_cast<int64_t>(patience_)) + " s");
    }
    std::vector<pollfd> waited;
    for (int64_t p = 0; p < all; ++p) {
      if (p == own_) continue;
      const int events = (incoming_[p].whole ? 0 : POLLIN) | (sent[p] < said.size() ? POLLOUT : 0);
      if (events != 0) waited.push_back({sockets_[p], static_cast<short>(events), 0});
    }
    poll(waited.data(), static_cast<nfds_t>(waited.size()), kMillisecondsAsleep);
  }
  ++rounds_;
}

#else  // nothing opens sockets there

Peers::~Peers() = default;
void Peers::lose(const std::string& why) { throw Lost(why); }
bool Peers::complete(int64_t, Bytes&) { return false; }
bool Peers::receive(int64_t, Bytes&) { return false; }
void Peers::exchange(Bytes&, std::vector<Bytes>&, const Place&, const std::function<void()>&) { lose("there are no sockets"); }

#endif

Circle::Circle(std::vector<int64_t> processes, std::vector<int64_t> places, Peers* peers, int64_t sharers, double patience)
    : processes_(std::move(processes)), places_(std::move(places)), peers_(peers), own_(peers == nullptr ? (processes_.empty() ? 0 : processes_[0]) : peers->own()), sharers_(sharers), patience_(patience) {
  for (int64_t d = 0; d < devices(); ++d) here_ += here(d);
}

Circle::Session::Session(int64_t run, const Circle& circle) : run(run), spoken(circle.devices(), 0) {
  for (const int parity : {0, 1}) {
    said[parity].resize(circle.devices()), messages[parity].resize(circle.devices());
    if (circle.peers_ != nullptr) heard[parity].resize(circle.peers_->processes());
  }
}

std::shared_ptr<Circle::Session> Circle::session(int64_t run) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto known = std::find_if(sessions_.begin(), sessions_.end(), [&](const auto& session) { return session->run == run; });
  if (known != sessions_.end()) return *known;
  if (sessions_.size() >= kMostSessions) {
    const auto over = std::find_if(sessions_.begin(), sessions_.end(), [](const auto& session) { return session.use_count() == 1; });
    if (over != sessions_.end()) sessions_.erase(over);
  }
  return sessions_.emplace_back(std::make_shared<Session>(run, *this));
}

Circle::Talk::Talk(Circle& circle, int64_t run, int64_t device) : circle_(circle), session_(circle.session(run)), device_(device) {}

Bytes& Circle::Talk::own() { return session_->said[session_->spoken[device_] % 2][device_]; }

const std::vector<Message>& Circle::Talk::told() {
  Session& session = *session_;
  if (session.spoken[device_] == 0) go_apart(circle_.place(device_));
  const int64_t turn = session.spoken[device_]++, parity = turn % 2;
  if (session.broken.load()) throw Lost(session.why);
  if (session.arrived.fetch_add(1, std::memory_order_acq_rel) + 1 == circle_.here_) {
    try {
      circle_.speak(session, parity, circle_.place(device_));
    } catch (const Lost& lost) {
      session.why = lost.what();
      session.broken.store(true);
      circle_.wake();
      throw;
    }
    session.arrived.store(0, std::memory_order_relaxed);
    session.turn.store(turn + 1);
    circle_.wake();
  } else {
    circle_.wait(session, turn, circle_.place(device_));
  }
  return session.messages[parity];
}

// All devices of this process have said what they say: the other processes are told, and tell.
void Circle::speak(Session& session, int64_t parity, const Place& place) {
  auto& messages = session.messages[parity];
  for (int64_t d = 0; d < devices(); ++d) {
    if (here(d)) messages[d] = {session.said[parity][d].data(), static_cast<int64_t>(session.said[parity][d].size())};
  }
  if (peers_ == nullptr || peers_->processes() == 1) return;
  Bytes& out = session.outgoing;
  out.resize(Peers::kHead + 8 * here_);
  int64_t at = Peers::kHead;
  for (int64_t d = 0; d < devices(); ++d) {
    if (!here(d)) continue;
    put<uint64_t>(out.data() + at, static_cast<uint64_t>(messages[d].size)), at += 8;
  }
  for (int64_t d = 0; d < devices(); ++d) {
    if (here(d)) out.insert(out.end(), messages[d].bytes, messages[d].bytes + messages[d].size);
  }
  peers_->exchange(out, session.heard[parity], place);
  for (int64_t p = 0; p < peers_->processes(); ++p) {
    if (p == own_) continue;
    const Bytes& heard = session.heard[parity][p];
    const uint64_t theirs = static_cast<uint64_t>(std::count(processes_.begin(), processes_.end(), p));
    uint64_t head = 0, body = 8 * theirs;
    for (int64_t d = 0; d < devices(); ++d) {
      if (processes_[d] != p) continue;
      const uint64_t size = head + 8 <= heard.size() ? number_at<uint64_t>(heard.data() + head) : ~uint64_t{0};
      if (body > heard.size() || size > heard.size() - body) throw Lost("process " + std::to_string(p) + " says what does not fit");
      messages[d] = {heard.data() + body, static_cast<int64_t>(size)};
      head += 8, body += size;
    }
  }
}

void Circle::wait(Session& session, int64_t turn, const Place& place) {
  const auto over = [&] { return session.turn.load() > turn || session.broken.load(); };
  for (Patience patience(place); !over() && patience.awake();) patience.look();
  if (!over()) {
    std::unique_lock<std::mutex> lock(mutex_);
    asleep_.fetch_add(1);
    // Twice, for who speaks to other processes has its own time to say that they are lost.
    const bool came = woken_.wait_for(lock, std::chrono::duration<double>(2 * patience_), over);
    asleep_.fetch_sub(1);
    if (!came) {
      session.why = "another device did not come";
      session.broken.store(true);
      woken_.notify_all();
    }
  }
  if (session.turn.load() <= turn) throw Lost(session.why);
}

void Circle::wake() {
  if (asleep_.load() == 0) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  woken_.notify_all();
}

}  // namespace ranvier
