// The step of integrate-and-fire neurons under the sanitizers, and beside plain loops.

#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "checks.h"
#include "integrate_and_fire.h"

namespace {

template <class T>
struct Case {
  int64_t n;
  std::vector<std::vector<T>> variables;
  std::vector<std::unique_ptr<std::vector<T>>> coefficients;
  std::vector<int32_t> recent, periods;
  int64_t members = integer(1, 3);
  ranvier::IntegrateAndFire<T> neurons;

  ranvier::Coefficient<T> coefficient() {
    const bool each = n > 0 && integer(0, 3) == 0;
    coefficients.push_back(std::make_unique<std::vector<T>>(numbers<T>(each ? n : members)));
    for (T& x : *coefficients.back()) x *= T(0.3);
    return {coefficients.back()->data(), each, 1};
  }

  ranvier::LinearForm<T> form(int64_t without = -1) {
    ranvier::LinearForm<T> made;
    made.constant = coefficient();
    for (int64_t v = 0; v < static_cast<int64_t>(variables.size()); ++v) {
      if (v != without && integer(0, 1)) made.terms[made.n_terms++] = {v, coefficient()};
    }
    return made;
  }

  explicit Case(int64_t n) : n(n) {
    const int64_t count = integer(1, 7);
    for (int64_t v = 0; v < count; ++v) variables.push_back(numbers<T>(n));
    neurons.variables.fill(nullptr);
    for (int64_t v = 0; v < count; ++v) neurons.variables[v] = variables[v].data();
    neurons.copies = true;
    neurons.n_moving = integer(0, count);
    for (int64_t m = 0; m < neurons.n_moving; ++m) {
      auto& moving = neurons.moving[m];
      moving.variable = m, moving.held = integer(0, 1), moving.relaxes = integer(0, 1);
      moving.form = form(moving.relaxes ? m : -1);
      if (moving.relaxes) moving.slope = form(m);
    }
    neurons.test = form();
    neurons.either_end = integer(0, 1);
    neurons.n_resets = integer(0, count);
    for (int64_t r = 0; r < neurons.n_resets; ++r) neurons.resets[r] = {r, form()};
    neurons.now = 100;
    for (int64_t i = 0; i < n; ++i) recent.push_back(static_cast<int32_t>(integer(60, 99)));
    const bool each = integer(0, 1);
    for (int64_t i = 0; i < (each ? n : members); ++i) periods.push_back(static_cast<int32_t>(integer(15, 25)));
    neurons.recent = recent.data();
    if (integer(0, 3)) neurons.refractory = {periods.data(), each, 1};
  }

  int64_t member_of(int64_t i) const { return i * members / n; }

  T value(const ranvier::LinearForm<T>& form, const std::vector<std::vector<T>>& of, int64_t i, bool constant = true) const {
    const int64_t member = member_of(i);
    T sum = constant ? form.constant.of(i, member) : T(0);
    for (int64_t j = 0; j < form.n_terms; ++j) sum += form.terms[j].coefficient.of(i, member) * of[form.terms[j].variable][i];
    return sum;
  }
};

template <class T>
bool close(T a, T b) {
  return std::abs(a - b) <= T(300) * std::numeric_limits<T>::epsilon() * (T(1) + std::abs(b));
}

template <class T>
void check(int64_t n) {
  Case<T> c(n);
  const auto before = c.variables;
  const auto recent = c.recent;
  const std::unique_ptr<bool[]> flags(new bool[n]);
  for (int64_t begin = 0, end = 0; begin < n; begin = end) {
    while (end < n && c.member_of(end) == c.member_of(begin) && (begin == end || integer(0, 99))) ++end;
    ranvier::integrate_and_fire(c.neurons, c.member_of(begin), begin, end, flags.get(), nullptr);
  }
  const auto& s = c.neurons;
  for (int64_t i = 0; i < n; ++i) {
    const bool waiting = s.refractory.at != nullptr && s.now <= recent[i] + s.refractory.of(i, c.member_of(i));
    auto after = before;
    for (int64_t m = 0; m < s.n_moving; ++m) {
      const auto& moving = s.moving[m];
      T moved = c.value(moving.form, before, i);
      if (moving.relaxes) {
        const double z = c.value(moving.slope, before, i), x = before[m][i];
        moved = static_cast<T>(x + (std::abs(z) < 1e-12 ? 1.0 : std::expm1(z) / z) * (moved + z * x));
      }
      if (!(moving.held && waiting)) after[m][i] = moved;
    }
    T highest = c.value(s.test, after, i, false);
    if (s.either_end) highest = std::max(highest, c.value(s.test, before, i, false));
    const T threshold = s.test.constant.of(i, c.member_of(i));
    if (!close(highest, threshold)) expect(flags[i] == (highest >= threshold && !waiting), "integrate_and_fire: wrong spike");
    expect(c.recent[i] == (flags[i] ? s.now : recent[i]), "integrate_and_fire: wrong time");
    auto fresh = after;
    for (int64_t r = 0; r < s.n_resets && flags[i]; ++r) fresh[r][i] = c.value(s.resets[r].form, after, i);
    for (size_t v = 0; v < fresh.size(); ++v) expect(close(c.variables[v][i], fresh[v][i]), "integrate_and_fire: wrong state");
  }
}

// One variable that the others drive and that alone is held and tested, others that decay by themselves: done in one pass, and to the same
// bits as in several, which `copies` asks for.
template <class T>
void check_one_pass(int64_t n) {
  Case<T> c(n);
  const int64_t count = integer(1, 4);
  c.members = 1;
  c.variables.resize(count);
  for (auto& variable : c.variables) variable = numbers<T>(n);
  std::vector<std::unique_ptr<T>> coefficients;
  const auto coefficient = [&](T value) -> ranvier::Coefficient<T> {
    coefficients.push_back(std::make_unique<T>(value));
    return {coefficients.back().get(), false, 1};
  };
  const auto any = [&] { return coefficient(T(0.3) * numbers<T>(1)[0]); };
  auto& s = c.neurons;
  s.variables.fill(nullptr);
  for (int64_t v = 0; v < count; ++v) s.variables[v] = c.variables[v].data();
  s.n_moving = count;
  const auto driven = [&](int64_t terms, int64_t from) {
    ranvier::LinearForm<T> form;
    form.constant = any();
    for (int64_t j = 0; j < terms; ++j) form.terms[form.n_terms++] = {(from + j) % count, any()};
    return form;
  };
  auto& potential = s.moving[0];
  potential = {};
  potential.variable = 0, potential.held = integer(0, 1), potential.relaxes = count > 1 && integer(0, 1);
  potential.form = potential.relaxes ? driven(integer(1, count - 1), 1) : driven(integer(1, count), 0);
  const std::vector<T> currents = numbers<T>(n);
  if (integer(0, 1)) potential.form.constant = {currents.data(), true};
  if (potential.relaxes) potential.slope = driven(integer(1, count - 1), 1);
  for (int64_t m = 1; m < count; ++m) {
    s.moving[m] = {};
    s.moving[m].variable = m;
    s.moving[m].form.constant = any();
    s.moving[m].form.terms[0] = {m, any()};
    s.moving[m].form.n_terms = 1;
  }
  s.test = {};
  s.test.constant = coefficient(T(0.2)), s.test.n_terms = 1, s.test.terms[0] = {0, coefficient(T(1))};
  s.n_resets = 1;
  s.resets[0] = {0, {}};
  s.resets[0].form.constant = any();
  const int32_t period = 20;
  s.refractory = {&period, false, 1};
  const auto variables = c.variables;
  const auto recent = c.recent;
  const auto advanced = [&](bool copies) {
    for (int64_t v = 0; v < count; ++v) std::copy(variables[v].begin(), variables[v].end(), c.variables[v].begin());
    std::copy(recent.begin(), recent.end(), c.recent.begin());
    s.copies = copies;
    std::unique_ptr<bool[]> flags(new bool[n]);
    std::vector<int32_t> who(n), wanted;
    who.resize(ranvier::integrate_and_fire(s, 0, 0, n, flags.get(), who.data()));
    for (int64_t i = 0; i < n; ++i) {
      if (flags[i]) wanted.push_back(static_cast<int32_t>(i));
    }
    expect(who == wanted, "integrate_and_fire: others in the list");
    return flags;
  };
  const auto once = advanced(false);
  const auto in_one_pass = c.variables;
  const auto spiked = c.recent;
  const auto in_several = advanced(true);
  for (int64_t i = 0; i < n; ++i) {
    expect(once[i] == in_several[i] && spiked[i] == c.recent[i], "integrate_and_fire: another spike in one pass");
    for (int64_t v = 0; v < count; ++v) {
      expect(std::memcmp(&in_one_pass[v][i], &c.variables[v][i], sizeof(T)) == 0, "integrate_and_fire: other bits in one pass");
    }
  }
}

}  // namespace

void check_integrate_and_fire() {
  for (int repeat = 0; repeat < 20; ++repeat) {
    for (const int64_t n : {0, 1, 2, 15, 16, 17, 255, 256, 257, 600, 1100}) {
      check<float>(n);
      check<double>(n);
      check_one_pass<float>(n);
      check_one_pass<double>(n);
    }
  }
  for (const int64_t n : {4096, 4097, 9001}) {  // several stretches
    check_one_pass<float>(n);
    check_one_pass<double>(n);
  }
}
