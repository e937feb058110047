// The study behind the claims: networks trained in several ways, judged under clean, noisy, attacked and changed
// conditions, on several seeds.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "lab.hpp"
#include "operators.hpp"

namespace smug {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Training, losses, seconds, denoiser_calls)

/// Figures slice by slice, by condition:
///   "clean"                           as measured
///   "random R", "adaptive R", "masked R"  with perturbed k-space, ‖δ‖ = R % of ‖y‖: in a random direction, by the
///                                         gradient of the smoothed reconstruction, by that of the network without
///                                         smoothing and data consistency
///   "zero-filled R"                       what the adaptive attack leaves of the zero-filled image
///   "adaptive50 R", "masked50 R"          with fifty steps instead of twenty; these and the l∞ ones of few methods
///   "k-space l∞ adaptive", …              |δ| ≤ 0.02 in each number of k-space
///   "image l∞ adaptive", …                of the zero-filled image, |δ| ≤ 2/255
///   "steps N", "rate R"                   with another number of unrolled steps, another acceleration (several masks)
///   "others"                              on images of another kind
using Figures = std::map<std::string, std::vector<double>>;

/// One method's network of one seed.
struct Judgement {
  std::string method{};
  std::uint64_t seed = 1;
  Training training{};
  Figures psnr{}, ssim{};                   // dB of complex images; of magnitudes
  std::map<std::string, double> numbers{};  // "nmse", "hfen", "entropy", "samples 10", "spread 10", …
  double seconds_per_image = 0;

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Judgement, method, seed, training, psnr, ssim, numbers, seconds_per_image)
};

/// What the theorem allows a network, and what was measured, slice by slice.
struct Amplified {
  std::string method{};
  std::uint64_t seed = 1;
  std::vector<double> measured{};
  double tight = 0, published = 0;

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Amplified, method, seed, measured, tight, published)
};

/// A picture, its rows one after the other: 0 is black, 255 white.
struct Picture {
  std::int64_t width = 0;
  std::vector<std::uint8_t> pixels{};

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Picture, width, pixels)
};
/// Reconstructions of one slice under one condition; their errors and the perturbations, five times as bright.
struct PictureRow {
  std::string name{};
  std::vector<std::string> notes{};
  std::vector<Picture> images{}, errors{}, perturbations{};  // the last |Aᴴ δ|, or none

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(PictureRow, name, notes, images, errors, perturbations)
};
/// Certified intervals of the pixels of a median-smoothed reconstruction.
struct Intervals {
  Picture median{}, width{};
  double eps = 0, sigma = 0, alpha = 0, mean_width = 0, largest_width = 0;
  std::int64_t samples = 0;
  double inside = 0;  // share of the pixels of attacked reconstructions within their intervals

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Intervals, median, width, eps, sigma, alpha, mean_width, largest_width, samples,
                                 inside)
};

struct Results {
  std::vector<std::uint64_t> seeds;
  std::vector<std::string> methods;
  OperatorErrors operators;
  std::vector<std::pair<double, double>> identities;  // by seed: SMUGv0 and equal weights beside SMUG
  std::vector<Judgement> judged;
  std::vector<Judgement> floors;  // methods without training
  std::vector<Amplified> amplified;
  std::vector<PictureRow> pictures;
  Intervals intervals;
};

/// The strengths of perturbations, in percent of the measurements; all of them for few.
std::vector<int> strengths(bool all);
/// Numbers of unrolled steps, the trained one and three times as many among them.
std::vector<int> depths(const Sizes& s);
std::vector<int> rates();
/// Sample counts of the mean over noise, for claim C9.
inline constexpr int sample_counts[] = {1, 2, 5, 10, 20};

/// How a method's network reconstructs.
How how_of(const Method& m, const Sizes& s);

///   first  whether this is the study's first seed, of which more is shown
Judgement judge(const Lab& lab, const Scans& scans, const Method& m, const Sizes& s, std::uint64_t seed, bool full,
                bool first);
/// Zero-filled, CG-SENSE and total variation; the last is attacked by what is worst for CG-SENSE.
std::vector<Judgement> floors(const Scans& scans, const Sizes& s, std::uint64_t seed, bool full);
Amplified amplified(const Lab& lab, const Scans& scans, const Method& m, const Sizes& s, std::uint64_t seed,
                    std::int64_t slices);
std::vector<PictureRow> pictures(const Lab& lab, const Scans& scans, const std::vector<std::string>& methods,
                                 const Sizes& s, std::uint64_t seed);
Intervals intervals(const Lab& lab, const Scans& scans, const std::string& method, const Sizes& s, std::uint64_t seed,
                    bool full);

/// Figures of a condition for all seeds: means over slices.
std::vector<double> over_seeds(const std::vector<Judgement>& all, const std::string& method,
                               const std::string& condition, Figures Judgement::*figures = &Judgement::psnr);
const Judgement* find(const std::vector<Judgement>& all, const std::string& method, std::uint64_t seed);

}  // namespace smug
