#include "tenzo/ops/cpu/activation.hpp"

#include "cpu_support.hpp"

using namespace tenzo;
using namespace tenzo::test;

namespace {

// A function of numbers as `Lanewise` wants it.
struct Cubic {
  template <class T>
  T operator()(T x) const {
    return x * x * x;
  }
  template <class T>
  T slope(T x, T y) const {
    return x == T(0) ? T(0) : T(3) * (y / x);
  }
};

double silu(double x) { return x / (1 + std::exp(-x)); }

}  // namespace

TEST_CASE_TEMPLATE("cpu gated: values, in any layout", T, float, double) {
  constexpr double eps = std::numeric_limits<T>::epsilon();
  for (std::int64_t columns : {1, 15, 16, 17, 100, 5000}) {
    const std::int64_t rows = 3;
    const auto both = numbers<T>(rows * 2 * columns, 1, 6);
    std::vector<T> y(std::size_t(rows * columns));
    cpu::gated<T>(Cpu{}, {rows, columns, 2 * columns, 2 * columns}, both.data(), both.data() + columns, y.data());
    std::vector<double> want;
    std::vector<T> gate, up, same(y.size());
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < columns; ++c) {
        gate.push_back(both[std::size_t(r * 2 * columns + c)]);
        up.push_back(both[std::size_t(r * 2 * columns + columns + c)]);
        want.push_back(silu(double(gate.back())) * double(up.back()));
      }
    CHECK(distance(y, want) <= 36 * 4 * eps);  // four ulp of a product below 36
    cpu::gated<T>(Cpu{}, GateShape::two_arrays(rows, columns), gate.data(), up.data(), same.data());
    CHECK(same_bits(y, same));
  }
}

TEST_CASE("cpu gated: gradients against difference quotients") {
  const auto s = GateShape::two_arrays(2, 11);
  const auto gate = numbers<double>(22, 1, 4), up = numbers<double>(22, 2), g = numbers<double>(22, 3);
  const auto check = [&](const auto& f) {
    std::vector<double> g_gate(22), g_up(22), y(22);
    cpu::gated_backward(Cpu{}, s, gate.data(), up.data(), g.data(), g_gate.data(), g_up.data(), f);
    const auto value = [&](const std::vector<double>& a, const std::vector<double>& b) {
      cpu::gated(Cpu{}, s, a.data(), b.data(), y.data(), f);
      return dot(y, g);
    };
    CHECK(distance(g_gate, difference_quotients([&](const auto& t) { return value(t, up); }, gate)) < 1e-7);
    CHECK(distance(g_up, difference_quotients([&](const auto& t) { return value(gate, t); }, up)) < 1e-7);
    auto a = gate, b = up;
    cpu::gated_backward(Cpu{}, s, a.data(), b.data(), g.data(), a.data(), b.data(), f);
    CHECK(same_bits(a, g_gate));
    CHECK(same_bits(b, g_up));
  };
  check(cpu::SiluLanes{});
  check(cpu::Lanewise<Cubic>{});
}

TEST_CASE("cpu gated: the same bits on any number of threads and any machine") {
  const auto s = GateShape::two_arrays(3, 9001);
  const auto gate = numbers<float>(27003, 1, 9), up = numbers<float>(27003, 2), g = numbers<float>(27003, 3);
  const auto run = [&] {
    std::vector<float> y(gate.size()), g_gate(gate.size()), g_up(gate.size());
    cpu::gated(Cpu{}, s, gate.data(), up.data(), y.data());
    cpu::gated_backward(Cpu{}, s, gate.data(), up.data(), g.data(), g_gate.data(), g_up.data());
    y.insert(y.end(), g_gate.begin(), g_gate.end());
    y.insert(y.end(), g_up.begin(), g_up.end());
    return y;
  };
  const auto y = on(1, run);
  CHECK(same_bits(y, on(2, run)));
  CHECK(hash_of(y) == 7182462628239418676u);
}
