#include <algorithm>
#include <cmath>

#include "certify_measure.hpp"
#include "tenzo/smoothing/split_classifier.hpp"

namespace smug::certify {

using namespace tenzo;
using namespace tenzo::smoothing;

namespace {

using F = Tensor<float>;

/// Training on samples that are seen through a noise, fresh in each epoch.
template <NoiseOn<float> N>
Network trained_through(const Setup& setup, const N& noise, std::uint64_t seed) {
  Network m = fresh(setup, seed);
  TrainState<Network> state;
  const TrainOptions o = train_options(setup, seed);
  const std::int64_t width = setup.train.x.shape().inner(0);
  while (state.epoch < o.epochs) {
    Samples<float> seen{F(setup.train.x.shape()), setup.train.labels, setup.train.classes};
    parallel_for(seen.size(), 8, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        noise.apply(Stream{seed, i, Phase::training}.key(state.epoch), width, setup.train.x.data() + i * width,
                    seen.x.data() + i * width);
    });
    train_epoch_(m, state, seen, o);
  }
  return m;
}

/// The image in multiples of 1/levels, which exact splitting is about.
F on_levels(const F& x, std::int64_t levels) {
  F out(x.shape());
  const double n = double(levels);
  for (std::int64_t i = 0; i < x.size(); ++i) out(i) = float(std::round(std::clamp(double(x(i)), 0.0, 1.0) * n) / n);
  return out;
}

}  // namespace

Network trained_with(const Setup& setup, const AdditiveNoise& noise, std::uint64_t seed) {
  return trained_through(setup, noise, seed);
}
Network trained_with_splitting(const Setup& setup, std::uint64_t seed) {
  return trained_through(setup, SplitNoise{.lambda = splitting_lambda}, seed);
}

Splitting splitting(const Setup& setup, const Network& network, std::uint64_t seed) {
  const DeterministicSplit split{.lambda = splitting_lambda, .seed = seed};
  const auto scores = [&](const F& x) { return network(x); };
  Splitting out{.seed = seed,
                .images = std::min(setup.sizes.split, setup.judged.size()),
                .shifts = split.shifts(),
                .accuracy = 0,
                .mean_radius = 0};
  const int all = threads();
  for (std::int64_t i = 0; i < out.images; ++i) {
    const F x = on_levels(setup.image(i), split.levels);
    const Certificate exact = certify_split(scores, x, split);
    set_threads(1);
    out.changed += certify_split(scores, x, split, 64) != exact;
    set_threads(all);
    const bool right = exact.label == setup.judged.labels(i);
    out.accuracy += double(right) / double(out.images);
    out.mean_radius += right ? exact.radius / double(out.images) : 0;
    out.outside += !agrees_with_random_shifts(scores, x, split, exact, {seed, i, Phase::prediction},
                                              setup.sizes.split_draws, alpha);
  }
  return out;
}

}  // namespace smug::certify
