// Networks by name, whatever their denoiser: trained, kept in files, reconstructing, attacked.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "method.hpp"
#include "scans.hpp"
#include "tenzo/mri/amplification.hpp"
#include "tenzo/mri/attacks.hpp"

namespace smug {

/// How a network reconstructs.
struct How {
  tenzo::mri::Smoothing smoothing = tenzo::mri::Smoothing::none;
  double sigma = 0.05;
  int samples = 4, steps = 5;
};

/// What a training run did.
struct Training {
  std::vector<double> losses{};  // means over tenths of the run
  double seconds = 0;
  std::int64_t denoiser_calls = 0;  // forward; recomputation on the way back is not counted
};

/// Images, measurements and what comes back are on the host.
class Lab {
 public:
  virtual ~Lab() = default;

  /// Trains a method's network from the weights of the one that it begins with, which has to be there, and keeps it
  /// under the method's name.   Throws ValueError where the loss is no number.
  virtual Training train(const Method& m, const Scans& scans, std::uint64_t seed) = 0;
  virtual bool has(const std::string& name) const = 0;
  /// Forgets all networks.
  virtual void clear() = 0;
  virtual void save(const std::string& name, const std::string& path) const = 0;
  /// Throws FileError where it is not such a network.
  virtual void load(const std::string& name, const std::string& path) = 0;

  /// x^N of z = Aᴴ y, (n, W, W, 2).
  virtual F reconstruct(const std::string& name, const How& how, const Solver& solver, const F& z,
                        const tenzo::mri::SmoothingNoise& noise) const = 0;
  /// A perturbation of `at`: of the measurements, or of z, as the options say.
  virtual F attack(const std::string& name, const How& how, const Solver& solver, const F& at, const F& truth,
                   const tenzo::mri::AttackOptions& o, const tenzo::mri::SmoothingNoise& noise) const = 0;
  /// The largest singular value of the reconstruction's Jacobian at the measurements of one image, from below.
  virtual double amplification(const std::string& name, const How& how, const Solver& solver, const F& kspace,
                               const tenzo::mri::SmoothingNoise& noise) const = 0;
  /// Upper bounds for inputs in [−1, 1]: sup ‖D_θ(x)‖₂ and the Lipschitz constant of D_θ; infinite where none is known.
  virtual std::pair<double, double> denoiser_bounds(const std::string& name, std::int64_t width) const = 0;
  /// The entropy of a weighted network's normalised weights over that of equal ones, mean over images and steps.
  virtual double weight_entropy(const std::string& name, const How& how, const Acquisition& a,
                                const tenzo::mri::SmoothingNoise& noise) const = 0;
  /// ‖SMUG − SMUGv0‖ / ‖SMUG‖ with the same noise, and SMUG beside the weighted form with equal weights: both are
  /// equal but for rounding.
  virtual std::pair<double, double> identities(const std::string& name, const How& how, const Acquisition& a) const = 0;
  /// How many weights a denoiser has.
  virtual std::int64_t weights() const = 0;
};

/// A lab for one of `denoisers()`, whose networks are trained and called on a device.
std::unique_ptr<Lab> make_lab(const std::string& denoiser, tenzo::DeviceOption device, const Sizes& s);
const std::vector<std::string>& denoisers();

/// Of one denoiser; lab_….device.cpp are compiled once for each device.
template <class Device>
std::unique_ptr<Lab> cnn_lab(const Sizes& s);
template <class Device>
std::unique_ptr<Lab> unet_lab(const Sizes& s);
template <class Device>
std::unique_ptr<Lab> didn_lab(const Sizes& s);
template <class Device>
std::unique_ptr<Lab> dncnn_lab(const Sizes& s);

}  // namespace smug
