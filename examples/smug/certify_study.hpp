// What a study of certificates measures, and how large it is.
#pragma once

#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "certify.hpp"
#include "tenzo/data/data_set.hpp"
#include "tenzo/io/claim.hpp"
#include "tenzo/models/lenet.hpp"
#include "tenzo/smoothing/certificate_log.hpp"

namespace smug::certify {

using Network = tenzo::LeNet<tenzo::Tensor<float>>;

// ---- settings that are the same for all sizes ----------------------------------------------------------------------

inline constexpr double alpha = 1e-3;  // of every certificate: the probability that it is wrong, for each image
inline constexpr std::int64_t selection = 100;  // noisy copies that choose the class
inline constexpr double base_sigma = 0.5;       // the noise that trainings, denoisers and attacks are compared in
inline constexpr int attack_draws = 32;         // of noise, for a gradient of PGD
inline constexpr int attack_judges = 64;        // others, by which its best iterate is chosen
inline constexpr double attack_inside = 0.95, attack_outside = 2;       // how far it may go, in certified radii
inline constexpr double regression_eps = 0.25, regression_sigma = 0.5;  // R10: ‖δ‖₂ ≤ ε, and the noise
inline constexpr double heavy_tail_range = 1000;                        // where sinh is cut
inline constexpr double l1_sigma = 1, l1_from = 1, l1_to = 1.5;         // R8: the noise, and the radii judged
inline constexpr double splitting_lambda = 0.5;                         // R8: of splitting noise
inline constexpr std::int64_t variance_dimensions = 40;                 // R9: where q varies
inline constexpr int variance_queries = 8;                              // R9: where d varies
inline constexpr std::int64_t cosine_images = 4;                        // R9: of a network's gradient
inline constexpr std::int64_t calibration_copies = 200;                 // of a certificate with a known radius
inline const std::vector<double> calibration_alphas = {0.001, 0.003, 0.01, 0.03, 0.1, 0.3};
inline constexpr std::int64_t denoiser_depth = 5, denoiser_width = 32, picture_width = 16;
inline const std::vector<double> noise_levels = {0, 0.25, 0.5, 0.75, 1, 1.5};  // of what networks say in noise

/// How large everything is.
struct Sizes {
  std::int64_t train = 4000, epochs = 10, batch = 64;  // samples that networks are trained on, at most so many
  std::int64_t judged = 80, samples = 1000;            // images that are certified, by so many noisy copies
  std::int64_t attacked = 8, attack_steps = 100;       // images of a seed that PGD attacks
  std::int64_t regressed = 4, regression_steps = 20;   // images of a seed whose regression PGD attacks
  std::int64_t regression_samples = 1000;              // their noisy copies
  std::int64_t oracles = 1000, calibration = 2000;     // repeats with known probabilities; oracles of each seed
  std::int64_t directions = 100000;                    // of a zeroth-order gradient
  std::int64_t picture_steps = 60;                     // that the denoisers of the pictures are trained for
  std::vector<double> sigmas = {base_sigma};
  // in --full alone
  std::int64_t few_judged = 100, many_samples = 10000;  // R4: fewer images by more copies, whose radii go farther
  std::int64_t denoiser_batch = 32, denoiser_steps = 240, autoencoder_steps = 1500;  // steps of every denoiser
  std::int64_t denoised = 80, denoised_samples = 200;              // images that judge denoisers, and their copies
  std::int64_t l1_samples = 1000, split = 60, split_draws = 2000;  // images that are split, and random shifts of each

  /// Those of --full, three seeds, are about 3,300 s of processor time by the times of its parts: half an hour on two
  /// cores.
  static Sizes of(bool full) {
    Sizes s;
    if (full) {
      s.judged = 400, s.attacked = 20, s.regressed = 10;
      s.regression_samples = 10000, s.calibration = 10000, s.picture_steps = 240;
      s.sigmas = {0.25, 0.5, 1};
    }
    return s;
  }
};

/// The data and the sizes of a run.
struct Setup {
  Sizes sizes;
  tenzo::Samples<float> train, judged, held_out;  // held_out: for what is measured without certificates
  tenzo::LeNetConfig config;
  bool full = false;
  tenzo::DeviceOption device = tenzo::DeviceOption::cpu;  // where noisy copies are classified for certificates

  /// Image i of those that are judged, (channels, h, w).
  tenzo::Tensor<float> image(std::int64_t i) const {
    return judged.x.rows(i, i + 1).reshaped(judged.x.shape().without(0));
  }
};

/// The data set of the options. Images of fewer than 16 pixels across are enlarged to 16, which LeNet wants.
tenzo::DataSet certifiable(const Options& o);

/// A network under noise: its certificates.
struct Certified {
  std::string method{};
  double sigma = 0.5;
  std::uint64_t seed = 1;
  double clean = NAN;              // accuracy without noise, on the images held out
  std::vector<double> in_noise{};  // the base network's accuracy under one draw of each of noise_levels
  tenzo::smoothing::CertificateLog log{};
};

void to_json(nlohmann::json& j, const Certified& c);
void from_json(const nlohmann::json& j, Certified& c);

/// A figure of each run.
template <class F>
std::vector<double> each(const std::vector<Certified>& runs, F&& figure) {
  std::vector<double> out;
  for (const Certified& c : runs) out.push_back(figure(c));
  return out;
}
/// Certified accuracy at a radius, in percent.
inline double percent_at(const Certified& c, double r) { return 100 * tenzo::smoothing::certified_accuracy(c.log, r); }
inline std::vector<double> percent_at(const std::vector<Certified>& runs, double r) {
  return each(runs, [&](const Certified& c) { return percent_at(c, r); });
}
/// Average certified radii.
inline std::vector<double> average_radii(const std::vector<Certified>& runs) {
  return each(runs, [](const Certified& c) { return tenzo::smoothing::average_certified_radius(c.log); });
}
/// The base network's accuracy in noise of noise_levels[i], in percent.
inline std::vector<double> percent_in_noise(const std::vector<Certified>& runs, std::size_t i) {
  return each(runs, [&](const Certified& c) { return 100 * c.in_noise.at(i); });
}

/// R1: bounds, radii, tests and order statistics beside reference values, and half-spaces, whose radius is known.
struct Oracle {
  double distance = 0, median = 0;  // in units of σ; the median of radius / distance
  std::int64_t wrong = 0, runs = 0;

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Oracle, distance, median, wrong, runs)
};
struct Exactness {
  std::int64_t values = 0;
  double worst = 0, near_tie = 0;  // relative error of all, beyond the digits that they are known to; absolute of the
                                   // radius of 50,490 in 100,000
  std::int64_t other = 0;          // decisions and indices that are not those of the table
  std::vector<Oracle> oracles{};

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Exactness, values, worst, near_tie, other, oracles)
};

/// How often certificates of one family of noise are wrong, by the α that they are made at.
struct Calibration {
  std::string family{};
  std::vector<double> alphas{}, rates{};
  std::int64_t runs = 0;

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Calibration, family, alphas, rates, runs)
};

/// R5: one certified image under attack.
struct Attacked {
  std::uint64_t seed = 1;
  std::int64_t image = 0, label = 0;
  double radius = 0;
  std::int64_t inside = 0, outside = 0;  // what is predicted after PGD within 0.95 R and within 2 R

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Attacked, seed, image, label, radius, inside, outside)
};

/// R9: zeroth-order gradients beside gradients of smoothed functions.
struct Estimated {
  std::string function;
  double deviation = 0;  // largest of its coordinates, in standard errors

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Estimated, function, deviation)
};
struct ZeroOrder {
  std::vector<Estimated> functions;
  std::vector<double> queries, query_variance, dimensions, dimension_variance;
  double query_slope = NAN, dimension_slope = NAN;              // of log-log lines
  std::vector<double> cosine_queries, cosine, expected_cosine;  // of a network's gradient by its input

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(ZeroOrder, functions, queries, query_variance, dimensions, dimension_variance,
                                 query_slope, dimension_slope, cosine_queries, cosine, expected_cosine)
};

/// R10: intervals of a regressor's median, what attacks make of it, and the mean's interval beside it.
struct Regressed {
  std::uint64_t seed = 1;
  std::int64_t image = 0;
  double low = 0, value = 0, high = 0, least = 0, most = 0;  // least and most: medians that PGD reached

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Regressed, seed, image, low, value, high, least, most)
};
struct HeavyTail {
  std::vector<double> median_width, mean_width, ratio;  // of each seed

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(HeavyTail, median_width, mean_width, ratio)
};

/// R6 and R7: a network trained without noise behind a denoiser.
struct DenoisedRun {
  std::string denoiser{};
  std::int64_t queries = 0;  // answers that a step asks for of each sample; 0 of white boxes
  Certified certified{};
};
void to_json(nlohmann::json& j, const DenoisedRun& d);
void from_json(const nlohmann::json& j, DenoisedRun& d);

/// R8: splitting noise whose shifts are all gone through, beside random ones that are drawn and classified anew.
struct Splitting {
  std::uint64_t seed = 1;
  std::int64_t images = 0, shifts = 0;
  std::int64_t outside = 0;  // images whose exact share is not within the interval of random shifts
  std::int64_t changed = 0;  // that another number of threads or a second run certifies otherwise
  double accuracy = NAN, mean_radius = NAN;

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Splitting, seed, images, shifts, outside, changed, accuracy, mean_radius)
};

/// Rows of digits as the report shows them: clean ones; at each σ noisy ones, and what a denoiser makes of them.
inline constexpr std::size_t digit_columns = 8;
inline const std::vector<double> digit_sigmas = {0.25, 0.5, 1};

/// The runs of a method at a noise level, seed by seed.
inline std::vector<Certified> runs_of(const std::vector<Certified>& all, const std::string& method, double sigma) {
  std::vector<Certified> out;
  for (const Certified& c : all)
    if (c.method == method && c.sigma == sigma) out.push_back(c);
  return out;
}

/// All that a run has measured.
struct Results {
  int seeds = 3;
  Exactness exactness;
  std::vector<Calibration> calibrations;
  std::vector<Certified> certified;  // by methods, noise levels and seeds
  std::vector<Certified> by_many;    // some of the methods, fewer images by more copies
  std::vector<Attacked> attacked;
  ZeroOrder zero_order;
  std::vector<Regressed> regressed;
  HeavyTail heavy_tail;
  std::vector<DenoisedRun> denoised;
  std::vector<Certified> l1;
  std::vector<Splitting> splitting;
  std::vector<std::string> digits;  // PNG files in Base64, digit_columns a row

  std::vector<Certified> of(const std::string& method, double sigma) const { return runs_of(certified, method, sigma); }
};

/// The claims that this run can judge.
std::vector<tenzo::Claim> judge(const Setup& setup, const Results& r);

/// metrics.json and certify.html in the folder of the options.
void write_report(const Options& o, const Setup& setup, const Results& r, const std::vector<tenzo::Claim>& claims,
                  double seconds);

}  // namespace smug::certify
