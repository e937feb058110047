#include "resample.cuh"

#include "both.hpp"
#include "tenzo/ops/cpu/resample.hpp"

using namespace tenzo;
using namespace tenzo::test;

namespace {

struct Sizes {
  Size2 in, out;
};

const Sizes all_sizes[] = {{{1, 1}, {1, 1}},   {{1, 5}, {4, 1}},   {{4, 5}, {8, 10}},   {{5, 4}, {15, 13}},
                           {{8, 10}, {4, 5}},  {{13, 17}, {5, 3}}, {{7, 7}, {7, 7}},    {{3, 33}, {2, 100}},
                           {{16, 16}, {1, 1}}, {{2, 3}, {40, 1}},  {{31, 9}, {32, 10}}, {{6, 100}, {17, 33}}};

}  // namespace

TEST_CASE_TEMPLATE("resample2d and its adjoint: any sizes, any interpolation", T, float, double) {
  for (const Sizes& s : all_sizes)
    for (const auto how : {Interpolation::nearest, Interpolation::bilinear, Interpolation::bilinear_aligned})
      for (const std::int64_t planes : {0, 1, 5}) {
        CAPTURE(s.in.h);
        CAPTURE(s.in.w);
        CAPTURE(s.out.h);
        CAPTURE(s.out.w);
        CAPTURE(int(how));
        CAPTURE(planes);
        under_schedules([&] {
          const std::int64_t in = planes * s.in.h * s.in.w, out = planes * s.out.h * s.out.w;
          Both<T> x(normals<T>(in, 1)), y(out), dy(normals<T>(out, 2)), dx(in);
          on_both([&](auto d) { resample2d(d, planes, s.in, s.out, how, x.at(d), y.at(d)); });
          on_both([&](auto d) { resample2d_adjoint(d, planes, s.in, s.out, how, dy.at(d), dx.at(d)); });
          if (how == Interpolation::nearest) {
            CHECK(y.same());
            CHECK(dx.same());
          } else {  // weights are rounded once here; the CPU's have the error of a coordinate in double
            const double coordinate = sizeof(T) == 8 ? double(std::max(s.in.h, s.in.w)) : 0;
            CHECK(y.error() <= 4 + 2 * coordinate);
            CHECK(dx.error() <= 4 + 2 * coordinate);
          }
        });
      }
  emulation::expect_clean();
}

TEST_CASE("resample2d_adjoint is the adjoint of resample2d") {
  for (const Sizes& s : all_sizes)
    for (const auto how : {Interpolation::nearest, Interpolation::bilinear, Interpolation::bilinear_aligned}) {
      CAPTURE(s.in.h);
      CAPTURE(s.out.h);
      CAPTURE(int(how));
      const std::int64_t in = s.in.h * s.in.w, out = s.out.h * s.out.w;
      Both<double> x(normals<double>(in, 1)), y(out), dy(normals<double>(out, 2)), dx(in);
      resample2d(Cuda{}, 1, s.in, s.out, how, x.at(Cuda{}), y.at(Cuda{}));
      resample2d_adjoint(Cuda{}, 1, s.in, s.out, how, dy.at(Cuda{}), dx.at(Cuda{}));
      const auto dot = [](const std::vector<double>& a, const std::vector<double>& b) {
        double sum = 0;
        for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
        return sum;
      };
      CHECK(dot(y.got(), dy.got()) == doctest::Approx(dot(x.got(), dx.got())).epsilon(1e-12).scale(double(in + out)));
    }
  CHECK_THROWS_WITH_AS(resample2d(Cuda{}, 1, {0, 3}, {2, 2}, Interpolation::nearest, static_cast<float*>(nullptr),
                                  static_cast<float*>(nullptr)),
                       "resample2d: from (0, 3) to (2, 2); want sizes of at least 1", ShapeError);
  emulation::expect_clean();
}
