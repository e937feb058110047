// Metrics against values of scikit-image 0.26.0 and scipy 1.17.1, and closed forms.
#include "tenzo/mri/metrics.hpp"

#include "mri.hpp"

using namespace tenzo;
using namespace tenzo::test;
using namespace tenzo::mri;

namespace {

/// An image and a reconstruction of whole numbers divided once, so that any program makes the same ones.
std::pair<Doubles, Doubles> images(std::int64_t h, std::int64_t w) {
  Doubles t(Shape{h, w}), x(Shape{h, w});
  for (std::int64_t i = 0; i < h; ++i)
    for (std::int64_t j = 0; j < w; ++j) {
      t(i, j) = double((i * i * 7 + j * j * 3 + i * j * 5) % 101) / 100.0;
      x(i, j) = t(i, j) + double((i * 13 + j * 29 + i * j) % 17 - 8) / 40.0;
    }
  return {x, t};
}

/// peak_signal_noise_ratio and structural_similarity with data_range = t.max(), normalized_root_mse squared;
/// similarity with data_range 2 and use_sample_covariance false, and with gaussian_weights besides; the ratio of norms
/// of scipy.ndimage.gaussian_laplace at 1.
struct Golden {
  std::int64_t h, w;
  double psnr, nmse, ssim, population, gaussian, hfen;
};
constexpr Golden golden[] = {{24, 20, 18.073759290020099, 0.044362575735557991, 0.92202726683352376,
                              0.92310247834978554, 0.92330270104529044, 0.4638945055767274},
                             {17, 31, 18.101204564586855, 0.045033634495764016, 0.91511160246741641,
                              0.91637443935297902, 0.91914869698870438, 0.4462457455239221},
                             {11, 11, 17.713227806703376, 0.050356011240843782, 0.91060085638890498,
                              0.91185286373769625, 0.92368124973329879, 0.53495084909467994}};

/// A real image as a complex one, times i where asked.
Doubles as_part(const Doubles& x, bool imaginary) {
  Doubles z = Doubles::zeros({x.dim(0), x.dim(1), 2});
  for (std::int64_t i = 0; i < x.size(); ++i) z(2 * i + imaginary) = x(i);
  return z;
}

}  // namespace

TEST_CASE("mri: metrics agree with the reference implementations") {
  for (const Golden& g : golden) {
    const auto [x, t] = images(g.h, g.w);
    const double largest = *std::max_element(t.values().begin(), t.values().end());
    CHECK(psnr(x, t, largest) == doctest::Approx(g.psnr).epsilon(1e-12));
    CHECK(nmse(x, t) == doctest::Approx(g.nmse).epsilon(1e-12));
    CHECK(ssim(x, t, SsimOptions::fastmri(largest)) == doctest::Approx(g.ssim).epsilon(1e-11));
    CHECK(ssim(x, t, {.range = 2, .sample_covariance = false}) == doctest::Approx(g.population).epsilon(1e-11));
    CHECK(ssim(x, t, SsimOptions::smoothed_unrolling()) == doctest::Approx(g.gaussian).epsilon(1e-11));
    CHECK(hfen(x, t) == doctest::Approx(g.hfen).epsilon(1e-11));
    CHECK(psnr(x.cast<float>(), t.cast<float>(), largest) == doctest::Approx(g.psnr).epsilon(1e-6));
  }
}

TEST_CASE("mri: metrics of complex images") {
  const auto [x, t] = images(24, 20);
  const auto zx = as_part(x, true), zt = as_part(t, true);
  const double largest = *std::max_element(t.values().begin(), t.values().end());
  // of images with one part, errors and peaks are those of that part
  CHECK(complex_psnr(zx, zt) == doctest::Approx(psnr(x, t, largest)).epsilon(1e-13));
  // the empty part is the same in both: similarity one
  CHECK(complex_ssim(zx, zt) == doctest::Approx((golden[0].gaussian + 1) / 2).epsilon(1e-11));
  // a phase changes nothing
  const auto phase = Doubles::from({2}, {0.6, 0.8});
  CHECK(complex_psnr(complex_mul(zx, phase), complex_mul(zt, phase)) ==
        doctest::Approx(complex_psnr(zx, zt)).epsilon(1e-13));
}

TEST_CASE("mri: metrics of equal images, and of what can not be compared") {
  const auto [x, t] = images(9, 12);
  CHECK(std::isinf(psnr(t, t, 1)));
  CHECK(nmse(t, t) == 0);
  CHECK(ssim(t, t) == doctest::Approx(1).epsilon(1e-14));
  CHECK(hfen(t, t) == 0);
  CHECK(nmse(Doubles::zeros({9, 12}), t) == doctest::Approx(1));
  CHECK(std::isnan(psnr(Doubles::full({9, 12}, NAN), t, 1)));
  CHECK_THROWS_WITH_AS(ssim(x, t, {.window = 11}), "ssim: a window of 11 on an image of (9, 12)", ValueError);
  CHECK_THROWS_AS(ssim(x, t, {.window = 4}), ValueError);
  CHECK_THROWS_AS(psnr(x, t, 0), ValueError);
  CHECK_THROWS_AS(nmse(x, Doubles(Shape{9, 11})), ShapeError);
  CHECK_THROWS_AS(nmse(Doubles(Shape{0, 3}), Doubles(Shape{0, 3})), ShapeError);
}
