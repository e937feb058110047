#include "norm.cuh"

#include "both.hpp"
#include "tenzo/ops/cpu/norm.hpp"

using namespace tenzo;
using namespace tenzo::test;

namespace {

struct Rows {
  std::int64_t rows, n;
};

/// Around a lane, a warp, a vector, the first block, and what shared memory holds of a row; and so many rows that the
/// gradients of weights are summed in pieces.
std::vector<Rows> all_rows() {
  std::vector<Rows> all;
  for (const std::int64_t n : sizes({1,   2,   3,   4,   5,    31,   32,   33,   127,  128,  129,  255,
                                     257, 511, 513, 576, 1023, 1024, 1025, 1028, 4096, 5888, 11780},
                                    {1, 33, 128, 1028}))
    all.push_back({n > 2000 ? 2 : 3, n});
  for (const Rows r : {Rows{0, 5}, {3, 0}, {70, 33}, {emulation::thread_sanitizer ? 140 : 1000, 40}}) all.push_back(r);
  return all;
}

/// Sums of n terms of both signs in another order, √n of them on average, and a few roundings of the result.
double tolerance(const Rows& r) { return 20 + std::sqrt(double(r.n + r.rows)); }

template <class F>
void check_rows(F&& f) {
  for (const Rows& r : all_rows())
    for (const int shift : {0, 1}) {
      if (shift && (r.n % 4 || r.n > 600)) continue;
      CAPTURE(r.rows);
      CAPTURE(r.n);
      CAPTURE(shift);
      under_schedules([&] { f(r, shift); }, r.rows * r.n > 1000);
    }
  emulation::expect_clean();
}

}  // namespace

TEST_CASE_TEMPLATE("layer_norm and rms_norm: any rows, with and without weights, also in place", T, float, double) {
  check_rows([](const Rows& r, int shift) {
    Both<T> x(normals<T>(r.rows * r.n, 1), shift), weight(normals<T>(r.n, 2), shift), bias(normals<T>(r.n, 3), shift);
    Both<T> y(r.rows * r.n, shift), mean(r.rows), rstd(r.rows);
    const auto close = [&](bool with_mean) {
      if (r.n == 0) return;
      CHECK(y.error() <= tolerance(r));
      CHECK(rstd.error() <= tolerance(r));
      if (!with_mean) return;
      // Beside numbers of about 1, not beside the mean, which is small.
      const auto got = mean.got(), want = mean.want();
      for (std::size_t i = 0; i < got.size(); ++i)
        CHECK(std::abs(got[i] - want[i]) <= tolerance(r) * std::numeric_limits<T>::epsilon());
    };
    on_both([&](auto d) {
      layer_norm(d, r.rows, r.n, x.at(d), weight.at(d), bias.at(d), 1e-5, y.at(d), mean.at(d), rstd.at(d));
    });
    close(true);
    on_both([&](auto d) { rms_norm(d, r.rows, r.n, x.at(d), weight.at(d), 1e-6, y.at(d), rstd.at(d)); });
    close(false);
    const T* const none = nullptr;
    on_both([&](auto d) { rms_norm(d, r.rows, r.n, x.at(d), none, 1e-6, y.at(d), rstd.at(d)); });
    close(false);
    on_both([&](auto d) { layer_norm(d, r.rows, r.n, x.at(d), none, none, 1e-5, x.at(d), mean.at(d), rstd.at(d)); });
    if (r.n) CHECK(x.error() <= tolerance(r));
  });
}

TEST_CASE_TEMPLATE("gradients of layer_norm and rms_norm: any rows, any subset, also over gy", T, float, double) {
  check_rows([](const Rows& r, int shift) {
    const std::int64_t size = r.rows * r.n;
    Both<T> x(normals<T>(size, 1), shift), weight(normals<T>(r.n, 2), shift), gy(normals<T>(size, 3), shift);
    std::vector<T> some(static_cast<std::size_t>(r.rows), T(0.25)), positive(some.size(), T(1.25));
    Both<T> mean(some), rstd(positive), gx(size, shift), gw(r.n), gb(r.n);
    const T* const none = nullptr;
    T* const left_out = nullptr;
    const auto close = [&](const auto&... g) { CHECK(((g.error() <= tolerance(r)) && ...)); };
    on_both([&](auto d) {
      layer_norm_backward(d, r.rows, r.n, x.at(d), weight.at(d), mean.at(d), rstd.at(d), gy.at(d), gx.at(d), gw.at(d),
                          gb.at(d));
    });
    close(gx, gw, gb);
    on_both([&](auto d) {
      rms_norm_backward(d, r.rows, r.n, x.at(d), weight.at(d), rstd.at(d), gy.at(d), gx.at(d), gw.at(d));
    });
    close(gx, gw);
    on_both([&](auto d) {
      layer_norm_backward(d, r.rows, r.n, x.at(d), none, mean.at(d), rstd.at(d), gy.at(d), left_out, left_out,
                          gb.at(d));
      rms_norm_backward(d, r.rows, r.n, x.at(d), none, rstd.at(d), gy.at(d), left_out, gw.at(d));
    });
    close(gw, gb);
    on_both([&](auto d) {
      layer_norm_backward(d, r.rows, r.n, x.at(d), none, mean.at(d), rstd.at(d), gy.at(d), gx.at(d), left_out,
                          left_out);
    });
    close(gx);
    on_both([&](auto d) {
      layer_norm_backward(d, r.rows, r.n, x.at(d), weight.at(d), mean.at(d), rstd.at(d), gy.at(d), gy.at(d), gw.at(d),
                          gb.at(d));
    });
    close(gy, gw, gb);
  });
}

TEST_CASE("layer_norm loses no digits where the mean is large") {
  for (const std::int64_t n : {5, 100, 1000, 20000}) {
    CAPTURE(n);
    const std::int64_t rows = 2;
    auto numbers = normals<float>(rows * n, 1);
    for (float& v : numbers) v += 10000;
    const float* const none = nullptr;
    cuda::DeviceArray<float> x{std::span<const float>(numbers)}, y(rows * n), m(rows), s(rows);
    layer_norm(Cuda{}, rows, n, x.data(), none, none, 0, y.data(), m.data(), s.data());
    const std::vector<double> exact(numbers.begin(), numbers.end());
    const double* const no = nullptr;
    std::vector<double> want(exact.size()), want_m(rows), want_s(rows);
    layer_norm(Cpu{}, rows, n, exact.data(), no, no, 0, want.data(), want_m.data(), want_s.data());
    const auto got = y.to_host(), got_m = m.to_host(), got_s = s.to_host();
    // The mean is rounded to a float, some 2⁻¹¹ here, and everything moves with it.
    for (std::size_t r = 0; r < std::size_t(rows); ++r) {
      CHECK(got_m[r] == float(want_m[r]));
      CHECK(std::abs(double(got_s[r]) / want_s[r] - 1) <= 2e-6);
    }
    for (std::size_t i = 0; i < got.size(); ++i)
      CHECK(std::abs(double(got[i]) - want[i]) <= 0x1p-11 * want_s[i / std::size_t(n)] + 1e-5);
  }
  emulation::expect_clean();
}

TEST_CASE("norms read a row once, sixteen bytes at a time") {
  for (const std::int64_t n : {576, 1024, 4096, 11776}) {
    CAPTURE(n);
    const std::int64_t rows = 3;
    const std::uint64_t row = std::uint64_t(n) * 4, bytes = rows * row;
    Both<float> x(normals<float>(rows * n, 1)), weight(normals<float>(n, 2)), y(rows * n), rstd(rows);
    const auto forward = emulation::traffic_of(
        [&] { rms_norm(Cuda{}, rows, n, x.at(Cuda{}), weight.at(Cuda{}), 1e-6, y.at(Cuda{}), rstd.at(Cuda{})); });
    CHECK(forward.loads[4] * 16 == bytes + bytes);  // and the weights, which lie in the cache
    CHECK(forward.stores[4] * 16 == bytes);
    const auto backward = emulation::traffic_of([&] {
      rms_norm_backward(Cuda{}, rows, n, x.at(Cuda{}), weight.at(Cuda{}), rstd.at(Cuda{}), x.at(Cuda{}), y.at(Cuda{}),
                        static_cast<float*>(nullptr));
    });
    CHECK(backward.loads[4] * 16 == (n * 8 <= 46 << 10 ? 2 : 4) * bytes + 2 * bytes);
    CHECK(backward.stores[4] * 16 == bytes);
  }
  emulation::expect_clean();
}
