// The networks of a study: each is trained once, and kept in a file of the run's folder.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "certify_study.hpp"
#include "tenzo/io/stages.hpp"
#include "tenzo/smoothing/train.hpp"

namespace smug::certify {

/// The trainings that are compared, the first of which sees no noise.
inline const std::vector<std::string> methods = {
    "no noise", "Gaussian", "Stability", "MACER", "Consistency", "SmoothAdv", "SmoothAdv + Consistency"};
/// Those whose average radii claim R4 compares.
inline const std::vector<std::string> ranked = {"Gaussian", "Consistency", "SmoothAdv"};

/// How a method trains for noise of a deviation: weights and radii as published for LeNet on MNIST, of two copies
/// (MACER eight of 16) and four attack steps of ten. A third of the epochs go before MACER's radius counts, as
/// published, and before SmoothAdv's is whole, where it was a ninth.
///   Source  Jeong, Shin 2020; the optimiser and its epochs are the study's own, `train_options`.
tenzo::smoothing::SmoothedTraining training_of(const std::string& method, double sigma, std::int64_t epochs);

/// A fresh network of a setup.
Network fresh(const Setup& setup, std::uint64_t seed);

/// Stochastic gradient descent with a cosine schedule; step size and epochs were chosen on a seed that is not judged.
tenzo::TrainOptions train_options(const Setup& setup, std::uint64_t seed);

class Networks {
 public:
  Networks(const Setup& setup, tenzo::Stages& stages, std::string folder)
      : setup_(setup), stages_(stages), folder_(std::move(folder)) {}

  /// The network of a training; that without noise is the same for all deviations.
  const Network& operator()(const std::string& method, double sigma, std::uint64_t seed);
  /// The same of noise that no method has: made by `train` and kept under `name`.
  const Network& operator()(const std::string& name, const std::function<Network()>& train);

 private:
  const Setup& setup_;
  tenzo::Stages& stages_;
  std::string folder_;
  std::map<std::string, Network> known_;
};

/// What a network says of images (n, …), in scores (n, classes), both on the host; it is computed on a device.
using Answers = std::function<tenzo::Tensor<float>(const tenzo::Tensor<float>&)>;
Answers answers(const Network& network, tenzo::DeviceOption device);

/// Certificates of the first of the judged images by so many copies, and what the network says of others in noise.
Certified certified(const Setup& setup, const Network& network, const std::string& method,
                    const tenzo::smoothing::AdditiveNoise& noise, std::int64_t images, std::int64_t samples,
                    std::uint64_t seed);

}  // namespace smug::certify
