// Unrolled reconstruction: MoDL, and what its smoothed forms have in common.
#include "tenzo/mri/unrolled.hpp"

#include "mri.hpp"
#include "tenzo/core/parallel.hpp"
#include "tenzo/models/residual_cnn.hpp"
#include "tenzo/mri/row_solver.hpp"
#include "tenzo/nn/init.hpp"

using namespace tenzo;
using namespace tenzo::test;
using namespace tenzo::mri;

namespace {

template <class T = double>
auto some_network(const UnrolledSettings& s, std::int64_t width = 4) {
  return unrolled(initialised<T>(residual_cnn_spec({.width = width, .depth = 3}), 5), s, 0.8);
}

UnrolledSettings settings(Smoothing smoothing, int samples = 3) {
  return {.steps = 3, .smoothing = smoothing, .sigma = 0.1, .samples = samples};
}

template <class A, class B>
double relative(const A& got, const B& want) {
  return norm(sub(got, want)) / norm(want);
}

}  // namespace

TEST_CASE("mri: a network without smoothing is denoiser and data consistency in turn") {
  const auto e = some_encoding(3, 6, 7);
  const RowSolver solver(e);
  const auto z = arbitrary(e.image_shape(2), 3);
  const auto net = some_network(settings(Smoothing::none));
  auto x = z;
  for (int n = 0; n < 3; ++n) {
    const auto d = permute(net.denoiser(permute(x, {0, 3, 1, 2})), {0, 2, 3, 1});
    x = solver.solve(add(z, scale(d, 0.8)), net.lambda);
  }
  CHECK(relative(net(solver, z), x) < 1e-15);
  auto none = net;
  none.settings.steps = 0;
  CHECK(same(none(solver, z), z));
  // an empty batch
  CHECK(net(solver, Doubles(Shape{0, 6, 7, 2})).shape() == Shape{0, 6, 7, 2});
}

TEST_CASE("mri: the mean before data consistency and after it are the same image") {  // data consistency is affine in d
  const auto e = some_encoding(3, 6, 7);
  const RowSolver solver(e);
  const auto z = arbitrary(e.image_shape(2), 4);
  for (const bool fresh : {true, false}) {
    auto before = some_network(settings(Smoothing::denoiser)), after = some_network(settings(Smoothing::step));
    before.settings.fresh_noise = after.settings.fresh_noise = fresh;
    CHECK(relative(after(solver, z), before(solver, z)) < 1e-13);
  }
  const auto ef = some_encoding<float>(3, 6, 7);
  const auto zf = z.cast<float>();
  const auto f = some_network<float>(settings(Smoothing::denoiser))(RowSolver(ef), zf);
  CHECK(relative(some_network<float>(settings(Smoothing::step))(RowSolver(ef), zf), f) < 1e-5);
}

TEST_CASE("mri: constant weights are no weights") {
  const auto e = some_encoding(2, 6, 5);
  const RowSolver solver(e);
  const auto z = arbitrary(e.image_shape(2), 5);
  const auto plainly = some_network(settings(Smoothing::denoiser));
  auto weighted = plainly;
  weighted.weighting = initialised<double>(noise_weighting_spec({.width = 3, .depth = 2}), 6);
  const auto weights_differ = weighted(solver, z);
  CHECK(relative(weights_differ, plainly(solver, z)) > 1e-8);
  weighted.weighting.fc.weight = Doubles::zeros({1, 3});
  weighted.weighting.fc.bias = Doubles::full({1}, -2);
  CHECK(relative(weighted(solver, z), plainly(solver, z)) < 1e-13);
}

TEST_CASE("mri: a mean over noise of no size is the network itself, in each of its places") {
  const auto e = some_encoding(2, 6, 5);
  const RowSolver solver(e);
  const auto z = scale(arbitrary(e.image_shape(1), 6), 0.5);
  const auto want = some_network(settings(Smoothing::none))(solver, z);
  for (const Smoothing s : {Smoothing::denoiser, Smoothing::step, Smoothing::input, Smoothing::measurements}) {
    auto net = some_network(settings(s));
    net.settings.clamp = false;
    const auto noisy = net(solver, z);
    net.settings.sigma = 0;
    CHECK(relative(net(solver, z), want) < 1e-14);
    CHECK(relative(noisy, want) > 1e-4);
  }
}

TEST_CASE("mri: noise at the input leaves data consistency with clean data, noise of measurements does not") {
  const auto e = some_encoding(2, 6, 5);
  const RowSolver solver(e);
  const auto z = arbitrary(e.image_shape(1), 7);
  // a denoiser that gives zero: x = B⁻¹ z' of the z' that data consistency sees
  auto net =
      unrolled(initialised<double>(residual_cnn_spec({.width = 2, .depth = 1}), 5), settings(Smoothing::input, 2));
  net.denoiser.layers[0].weight = Doubles::zeros({2, 2, 3, 3});
  net.denoiser.layers[0].bias = Doubles::zeros({2});
  for (std::int64_t c = 0; c < 2; ++c) net.denoiser.layers[0].weight((c * 2 + c) * 9 + 4) = -1;
  const auto clean = solver.solve(z, net.lambda);
  CHECK(relative(net(solver, z), clean) < 1e-14);
  net.settings.smoothing = Smoothing::measurements;
  const SmoothingNoise noise;
  Doubles seen;
  for (std::uint32_t m = 0; m < 2; ++m)
    seen = plus(seen, scale(add(z, e.adjoint(noise.operator()<double>({1, 2, 6, 5, 2}, 0.1, 0, m))), 0.5));
  CHECK(relative(net(solver, z), solver.solve(seen, net.lambda)) < 1e-14);
  CHECK(relative(net(solver, z), clean) > 1e-2);
}

TEST_CASE("mri: noise belongs to its image, step, sample and draw") {
  const SmoothingNoise noise{.seed = 3, .draw = 7, .images = {4, 9}};
  const auto z = noise.operator()<float>({2, 5, 3, 2}, 1, 2, 1);
  CHECK(same(SmoothingNoise{3, 7, {9}}.operator()<float>({1, 5, 3, 2}, 1, 2, 1), z.rows(1, 2)));
  CHECK_FALSE(same(z.rows(0, 1), z.rows(1, 2)));
  CHECK_FALSE(same(noise.operator()<float>({2, 5, 3, 2}, 1, 3, 1), z));
  CHECK_FALSE(same(noise.operator()<float>({2, 5, 3, 2}, 1, 2, 2), z));
  CHECK_FALSE(same(noise.at_draw(8).operator()<float>({2, 5, 3, 2}, 1, 2, 1), z));
  CHECK_FALSE(same(noise.held_out().operator()<float>({2, 5, 3, 2}, 1, 2, 1), z));
  // 40,000 normals: mean and mean square within six deviations
  const auto many = SmoothingNoise{}.operator()<double>({1, 100, 200, 2}, 0.5, 0, 0);
  CHECK(std::abs(mean(many).item()) < 6 * 0.5 / 200);
  CHECK(std::abs(mean(square(many)).item() - 0.25) < 6 * 0.25 * std::sqrt(2.0) / 200);
  CHECK_THROWS_AS(noise.operator()<float>({3, 2, 2, 2}, 1, 0, 0), ShapeError);
  CHECK_THROWS_AS((SmoothingNoise{1, 0, {-1}}.operator()<float>({1, 2, 2, 2}, 1, 0, 0)), ValueError);
}

TEST_CASE("mri: the same bits on any number of threads, and for an image alone") {
  const auto e = some_encoding<float>(3, 24, 20);
  const RowSolver solver(e);
  const auto z = arbitrary<float>(e.image_shape(2), 8);
  const int before = threads();
  for (const Smoothing s : {Smoothing::denoiser, Smoothing::measurements}) {
    const auto net = some_network<float>(settings(s), 8);
    set_threads(1);
    const auto one = net(solver, z);
    set_threads(3);
    CHECK(same(net(solver, z), one));
    CHECK(same(net(solver, z.rows(1, 2), {.images = {1}}), one.rows(1, 2)));
  }
  set_threads(before);
}

TEST_CASE("mri: settings that can not be") {
  const auto e = some_encoding(2, 4, 4);
  const RowSolver solver(e);
  const auto z = arbitrary(e.image_shape(1), 9);
  auto net = some_network(settings(Smoothing::denoiser));
  net.settings.samples = 0;
  CHECK_THROWS_WITH_AS(net(solver, z), "unrolled: noise of 0.1, 0 samples", ValueError);
  net.settings = {.steps = -1};
  CHECK_THROWS_AS(net(solver, z), ValueError);
  net.settings = settings(Smoothing::none);
  net.weighting = initialised<double>(noise_weighting_spec({}), 6);
  CHECK_THROWS_AS(net(solver, z), ValueError);
}
