#include "channel_norm.cuh"

#include "both.hpp"
#include "tenzo/ops/cpu/channel_norm.hpp"

using namespace tenzo;
using namespace tenzo::test;

namespace {

/// Features and images, around a lane, a warp, a vector and the first block; and so many images that their sums are
/// summed in pieces.
std::vector<Channels> all_channels() {
  std::vector<Channels> all{{0, 3, 4}, {2, 0, 4},   {2, 3, 0},   {1, 1, 1},
                            {5, 4, 1}, {33, 31, 1}, {70, 33, 1}, {3, 64, 1}};
  for (const std::int64_t size : sizes({2, 3, 4, 31, 32, 33, 49, 64, 129, 256, 1023, 1024, 1028}, {3, 32, 1028}))
    all.push_back({2, emulation::thread_sanitizer ? 2 : 6, size});
  all.push_back({emulation::thread_sanitizer ? 140 : 700, 4, 1});
  all.push_back({emulation::thread_sanitizer ? 130 : 300, 2, 5});
  all.push_back({1, 2, 5000});
  return all;
}

/// Sums of m terms of both signs in another order, √m of them on average, and a few roundings of the result.
double tolerance(const Channels& s) { return 20 + std::sqrt(double(s.per_channel() + s.channels * s.size)); }

template <class F>
void check_channels(F&& f) {
  for (const Channels& s : all_channels())
    for (const int shift : {0, 1}) {
      if (shift && (emulation::thread_sanitizer || (s.size % 4 && s.size != 1))) continue;
      CAPTURE(s.n);
      CAPTURE(s.channels);
      CAPTURE(s.size);
      CAPTURE(shift);
      under_schedules([&] { f(s, shift); }, s.numel() > 500);
    }
  emulation::expect_clean();
}

template <class T>
std::vector<T> positive(std::int64_t n) {
  auto v = normals<T>(n, 5);
  for (T& e : v) e = T(0.5) + std::abs(e);
  return v;
}

}  // namespace

TEST_CASE_TEMPLATE("batch norm: statistics, values and gradients of any channels", T, float, double) {
  check_channels([](const Channels& s, int shift) {
    const T* const none = nullptr;
    T* const left_out = nullptr;
    Both<T> x(normals<T>(s.numel(), 1), shift), mean(s.channels, shift), variance(s.channels, shift);
    if (s.numel()) {
      on_both([&](auto d) { batch_statistics(d, s, x.at(d), mean.at(d), variance.at(d)); });
      if (s.per_channel() > 1) CHECK(variance.error() <= tolerance(s));
      const auto got = mean.got(), want = mean.want();
      for (std::size_t c = 0; c < got.size(); ++c)
        CHECK(std::abs(got[c] - want[c]) <= tolerance(s) * std::numeric_limits<T>::epsilon());
    }
    // Statistics that are given: the CPU's bits.
    Both<T> m(normals<T>(s.channels, 2), shift), v(positive<T>(s.channels), shift);
    Both<T> weight(normals<T>(s.channels, 3), shift), bias(normals<T>(s.channels, 4), shift), y(s.numel(), shift);
    on_both([&](auto d) { batch_norm(d, s, x.at(d), m.at(d), v.at(d), weight.at(d), bias.at(d), 1e-5, y.at(d)); });
    CHECK(y.same());
    on_both([&](auto d) { batch_norm(d, s, x.at(d), m.at(d), v.at(d), none, none, 1e-5, y.at(d)); });
    CHECK(y.same());

    Both<T> gy(normals<T>(s.numel(), 6), shift), gx(s.numel(), shift), gw(s.channels, shift), gb(s.channels, shift);
    for (const bool own : {true, false}) {
      on_both([&](auto d) {
        batch_norm_backward(d, s, x.at(d), m.at(d), v.at(d), weight.at(d), 1e-5, own, gy.at(d), gx.at(d), gw.at(d),
                            gb.at(d));
      });
      CHECK(gw.error() <= tolerance(s));
      CHECK(gb.error() <= tolerance(s));
      CHECK((own ? gx.error() <= tolerance(s) : gx.same()));
    }
    on_both([&](auto d) {
      batch_norm_backward(d, s, x.at(d), m.at(d), v.at(d), none, 1e-5, true, gy.at(d), left_out, gw.at(d), gb.at(d));
      batch_norm_backward(d, s, x.at(d), m.at(d), v.at(d), none, 1e-5, true, gy.at(d), gy.at(d), gw.at(d), gb.at(d));
    });
    CHECK(gy.error() <= tolerance(s));
  });
}

TEST_CASE_TEMPLATE("group norm: values and gradients of any groups", T, float, double) {
  check_channels([](const Channels& s, int shift) {
    const T* const none = nullptr;
    T* const left_out = nullptr;
    for (const std::int64_t groups : {std::int64_t(1), std::int64_t(2), s.channels}) {
      if (groups == 0 || s.channels % groups || s.n > 100) continue;
      CAPTURE(groups);
      const std::int64_t length = s.channels / groups * s.size;
      if (length == 1) continue;  // a variance of zero
      Both<T> x(normals<T>(s.numel(), 1), shift), y(s.numel(), shift), mean(s.n * groups), rstd(s.n * groups);
      Both<T> weight(normals<T>(s.channels, 3)), bias(normals<T>(s.channels, 4));
      on_both([&](auto d) {
        group_norm(d, s, groups, x.at(d), weight.at(d), bias.at(d), 1e-2, y.at(d), mean.at(d), rstd.at(d));
      });
      if (s.numel()) CHECK(y.error() <= tolerance(s));
      if (s.numel()) CHECK(rstd.error() <= tolerance(s));
      on_both([&](auto d) { group_norm(d, s, groups, x.at(d), none, none, 1e-2, y.at(d), mean.at(d), rstd.at(d)); });
      if (s.numel()) CHECK(y.error() <= tolerance(s));

      Both<T> m(normals<T>(s.n * groups, 2)), k(positive<T>(s.n * groups)), gy(normals<T>(s.numel(), 6), shift);
      Both<T> gx(s.numel(), shift), gw(s.channels), gb(s.channels);
      const auto backward = [&](auto d, const T* w, T* to) {
        group_norm_backward(d, s, groups, x.at(d), w, m.at(d), k.at(d), gy.at(d), to, gw.at(d), gb.at(d));
      };
      const auto close = [&](const auto&... g) { CHECK(((g.error() <= tolerance(s)) && ...)); };
      on_both([&](auto d) { backward(d, weight.at(d), gx.at(d)); });
      close(gx, gw, gb);
      on_both([&](auto d) { backward(d, none, left_out); });
      close(gw, gb);
      on_both([&](auto d) { backward(d, none, gy.at(d)); });
      close(gy, gw, gb);
    }
  });
}

TEST_CASE("batch and group norm lose no digits where the mean is large") {
  for (const Channels s : {Channels{3, 2, 100}, {2, 4, 3000}, {300, 5, 1}, {150, 3, 7}}) {
    CAPTURE(s.n);
    CAPTURE(s.size);
    auto numbers = normals<float>(s.numel(), 1);
    for (float& v : numbers) v += 10000;
    numbers[0] = 0;  // an outlier comes first
    const std::vector<double> exact(numbers.begin(), numbers.end());
    std::vector<double> want_mean(std::size_t(s.channels)), want_variance(want_mean.size());
    batch_statistics(Cpu{}, s, exact.data(), want_mean.data(), want_variance.data());
    cuda::DeviceArray<float> x{std::span<const float>(numbers)}, mean(s.channels), variance(s.channels);
    batch_statistics(Cuda{}, s, x.data(), mean.data(), variance.data());
    const auto m = mean.to_host(), v = variance.to_host();
    for (std::size_t c = 0; c < m.size(); ++c) {
      CHECK(m[c] == float(want_mean[c]));
      CHECK(std::abs(double(v[c]) / want_variance[c] - 1) <= 4e-6);
    }
  }
  emulation::expect_clean();
}

TEST_CASE("batch norm reads images once for their statistics, sixteen bytes at a time") {
  {
    const Channels s{3, 4, 1024};
    const std::uint64_t bytes = std::uint64_t(s.numel()) * 4, parts = std::uint64_t(s.n * s.channels) * 3 * 4;
    Both<float> x(normals<float>(s.numel(), 1)), m(s.channels), v(s.channels), y(s.numel());
    const auto statistics =
        emulation::traffic_of([&] { batch_statistics(Cuda{}, s, x.at(Cuda{}), m.at(Cuda{}), v.at(Cuda{})); });
    CHECK(statistics.loads[4] * 16 == bytes);
    CHECK(statistics.bytes_loaded() == bytes + parts);
    CHECK(statistics.bytes_stored() == parts + 4 * 2 * 4);
    const float* const none = nullptr;
    const auto values = emulation::traffic_of(
        [&] { batch_norm(Cuda{}, s, x.at(Cuda{}), m.at(Cuda{}), v.at(Cuda{}), none, none, 1e-5, y.at(Cuda{})); });
    CHECK(values.loads[4] * 16 == bytes);
    CHECK(values.stores[4] * 16 == bytes);
  }
  emulation::expect_clean();
}
