#include "certify_networks.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "tenzo/io/model_file.hpp"
#include "tenzo/nn/init.hpp"

namespace smug::certify {

using namespace tenzo;
using namespace tenzo::smoothing;

SmoothedTraining training_of(const std::string& method, double sigma, std::int64_t epochs) {
  const bool large = sigma > 0.75, small = sigma < 0.375;
  const SmoothAdvOptions adversary{.eps = 255. / 256, .steps = 4};
  SmoothedTraining how{.sigma = method == "no noise" ? 0 : sigma};
  if (method == "Stability") {
    how.objective = Objective::stability, how.lambda = 2;
  } else if (method == "MACER") {
    how.objective = Objective::macer, how.copies = 8, how.lambda = large ? 6 : 16, how.defer = epochs / 3;
  } else if (method == "Consistency") {
    how.objective = Objective::consistency, how.copies = 2, how.lambda = small ? 10 : 5;
  } else if (method == "SmoothAdv") {
    how.copies = 2, how.adversary = adversary, how.warmup = epochs / 3;
  } else if (method == "SmoothAdv + Consistency") {
    how.objective = Objective::consistency, how.copies = 2, how.lambda = 1;
    how.adversary = adversary, how.warmup = epochs / 3;
  } else {
    require(method == "Gaussian" || method == "no noise", "smug certify: no training '", method, "'");
  }
  return how;
}

Network fresh(const Setup& setup, std::uint64_t seed) { return initialised<float>(lenet_spec(setup.config), seed); }

TrainOptions train_options(const Setup& setup, std::uint64_t seed) {
  return {.epochs = setup.sizes.epochs,
          .batch = setup.sizes.batch,
          .sgd = {.lr = 0.05, .momentum = 0.9, .weight_decay = 1e-4},
          .seed = seed};
}

const Network& Networks::operator()(const std::string& method, double sigma, std::uint64_t seed) {
  const std::string name =
      method == "no noise" ? cat(method, ", seed ", seed) : cat(method, ' ', sigma, ", seed ", seed);
  return (*this)(name, [&] {
    Network m = fresh(setup_, seed);
    train_smoothed_(m, setup_.train, train_options(setup_, seed), training_of(method, sigma, setup_.sizes.epochs));
    return m;
  });
}

const Network& Networks::operator()(const std::string& name, const std::function<Network()>& train) {
  if (const auto at = known_.find(name); at != known_.end()) return at->second;
  std::string file = name;
  for (char& c : file)
    if (c == ' ' || c == ',' || c == '+') c = '_';
  file = (std::filesystem::path(folder_) / (file + ".safetensors")).string();
  bool made = false;
  stages_(cat("network of ", name), [&] {
    const auto start = std::chrono::steady_clock::now();
    known_[name] = train();
    save_model(file, known_[name], {{"training", name}});
    made = true;
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  });
  if (!made) known_[name] = load_model<float>(lenet_spec(setup_.config), SafetensorsFile::open(file), file);
  return known_[name];
}

Certified certified(const Setup& setup, const Network& network, const std::string& method, const AdditiveNoise& noise,
                    std::int64_t images, std::int64_t samples, std::uint64_t seed) {
  Certified out{.method = method, .sigma = noise.sigma, .seed = seed};
  out.clean = accuracy(network, setup.held_out);
  for (const double level : noise_levels) {
    // noise of the seed that is judged, the same for all methods
    const Tensor<float> eta =
        noise_for<float>({noise.family, level}, setup.held_out.x.shape(), {seed, 0, Phase::evaluation}, 0, 1);
    const Samples<float> noisy{add(setup.held_out.x, eta.reshaped(setup.held_out.x.shape())), setup.held_out.labels,
                               setup.held_out.classes};
    out.in_noise.push_back(accuracy(network, noisy));
  }
  const SmoothedClassifier g(answers(network, setup.device), noise);
  const CertifyOptions how{.selection = selection, .samples = samples, .alpha = alpha, .seed = seed};
  for (std::int64_t i = 0; i < std::min(images, setup.judged.size()); ++i) {
    const auto start = std::chrono::steady_clock::now();
    const Certificate c = g.certify(setup.image(i), i, how);
    out.log.push_back({.index = i,
                       .label = setup.judged.labels(i),
                       .predicted = c.label,
                       .radius = c.radius,
                       .seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count()});
  }
  return out;
}

}  // namespace smug::certify
