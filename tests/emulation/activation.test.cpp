#include "activation.cuh"

#include "both.hpp"
#include "tenzo/ops/cpu/activation.hpp"
#include "tenzo/ops/elementwise.hpp"

using namespace tenzo;
using namespace tenzo::test;

namespace {

/// What the CPU's loop is given for f.
template <class F>
auto body(Cpu, const F& f) {
  if constexpr (std::is_same_v<F, fn::Silu>) return cpu::SiluLanes{};
  else return cpu::Lanewise<F>{f};
}
template <class F>
F body(Cuda, const F& f) {
  return f;
}

std::vector<GateShape> all_shapes() {
  std::vector<GateShape> all{{0, 5, 5, 5}, {3, 0, 2, 2}};
  for (const std::int64_t columns : {1, 2, 3, 4, 5, 31, 32, 33, 257, 1024}) {
    all.push_back(GateShape::two_arrays(3, columns));
    all.push_back({3, columns, 2 * columns, 2 * columns});  // the halves of one product's rows
    all.push_back({2, columns, columns + 4, columns});
    all.push_back({1, columns, 0, 0});
  }
  return all;
}

/// Numbers of an operand whose rows lie `step` apart.
std::int64_t reach(const GateShape& s, std::int64_t step) { return s.rows ? (s.rows - 1) * step + s.columns : 0; }

/// The same bits: nothing is summed.
template <class T, class F>
void check_gate(const F& f) {
  for (const GateShape& s : all_shapes())
    for (const int shift : {0, 1}) {
      CAPTURE(s.rows);
      CAPTURE(s.columns);
      CAPTURE(s.gate);
      CAPTURE(shift);
      under_schedules([&] {
        const std::int64_t size = s.rows * s.columns;
        Both<T> gate(normals<T>(reach(s, s.gate), 1), shift), up(normals<T>(reach(s, s.up), 2), shift), y(size, shift);
        Both<T> gy(normals<T>(size, 3), shift), g_gate(reach(s, s.gate), shift), g_up(reach(s, s.up), shift);
        on_both([&](auto d) { gated(d, s, gate.at(d), up.at(d), y.at(d), body(d, f)); });
        CHECK(y.same());
        on_both([&](auto d) {
          gated_backward(d, s, gate.at(d), up.at(d), gy.at(d), g_gate.at(d), g_up.at(d), body(d, f));
        });
        CHECK(g_gate.same());
        CHECK(g_up.same());
        on_both(
            [&](auto d) { gated_backward(d, s, gate.at(d), up.at(d), gy.at(d), gate.at(d), up.at(d), body(d, f)); });
        CHECK(gate.same());
        CHECK(up.same());
        if (s.gate == s.columns) {
          on_both([&](auto d) { gated(d, s, gate.at(d), up.at(d), gate.at(d), body(d, f)); });
          CHECK(gate.same());
        }
      });
    }
  emulation::expect_clean();
}

}  // namespace

TEST_CASE_TEMPLATE("gated units have the CPU's bits, two arrays or two halves of rows, also in place", T, float,
                   double) {
  check_gate<T>(fn::Silu{});
  check_gate<T>(fn::GeluTanh{});
}

TEST_CASE("gated units read and write once, sixteen bytes at a time") {
  {
    const std::int64_t n = 4096, half = n / 2;
    Both<float> rows(normals<float>(2 * n, 1)), y(n);
    const GateShape halves{2, half, n, n};
    const auto t = emulation::traffic_of(
        [&] { gated(Cuda{}, halves, rows.at(Cuda{}), rows.at(Cuda{}) + half, y.at(Cuda{}), fn::Silu{}); });
    CHECK(t.loads[4] * 16 == 2 * n * 4);
    CHECK(t.stores[4] * 16 == n * 4);
    CHECK(t.bytes_loaded() + t.bytes_stored() == 3 * n * 4);
  }
  emulation::expect_clean();
}
