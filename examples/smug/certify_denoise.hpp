// Training and judging of denoisers before a network that is kept as it is.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>

#include "certify_measure.hpp"
#include "tenzo/models/autoencoder.hpp"
#include "tenzo/models/dncnn.hpp"
#include "tenzo/smoothing/black_box.hpp"
#include "tenzo/smoothing/classifier.hpp"
#include "tenzo/smoothing/denoised.hpp"

namespace smug::certify {

using Denoiser = tenzo::DnCnn<tenzo::Tensor<float>>;

/// A code of 48 numbers, 3 × 4 × 4 of 28 × 28 pixels: its d is also the number of directions of ZO-DS.
inline tenzo::AutoencoderConfig code_of(const Setup& setup) {
  return {.channels = setup.config.channels, .image = setup.config.image, .widths = {12, 24, 3}};
}

/// Calls step(clean, noisy, number) for batches of the training samples in the order of an epoch, with fresh noise, at
/// most so many times.
template <class Step>
void for_noisy_batches(const Setup& setup, double sigma, std::uint64_t seed, std::int64_t most, Step&& step) {
  const std::int64_t n = setup.train.size(), batch = std::min(n, setup.sizes.denoiser_batch);
  std::int64_t done = 0;
  for (std::int64_t epoch = 0; done < most; ++epoch) {
    const tenzo::Rows order = tenzo::epoch_order(n, seed, epoch);
    for (std::int64_t at = 0; at + batch <= n && done < most; at += batch, ++done) {
      const auto s = setup.train.at(std::span<const std::int64_t>(order).subspan(std::size_t(at), std::size_t(batch)));
      const auto eta = tenzo::smoothing::noise_for<float>({tenzo::smoothing::Family::gaussian, sigma}, s.x.shape(),
                                                          {seed, at, tenzo::smoothing::Phase::training}, epoch, 1);
      step(s.x, tenzo::Tensor<float>(add(s.x, eta.reshaped(s.x.shape()))), std::uint32_t(done));
    }
  }
}

/// Adam's steps on a white-box loss.
Denoiser white_box_denoiser(const Setup& setup, const Network& network, tenzo::smoothing::DenoiserLoss kind,
                            Denoiser begin, double sigma, std::int64_t steps, std::uint64_t seed);

/// As many of Adam's steps on estimates by a black box's answers, with those at clean images as targets.
///   answer(code) → scores (n, classes)
template <class White, class Answer>
White through_answers(const Setup& setup, const Network& network, White m, const Answer& answer,
                      const tenzo::smoothing::CodeGradient& how, std::uint64_t seed, std::int64_t& queries) {
  using namespace tenzo;
  typename Adam::State<White> state;
  BatchStatistics<Tensor<float>> statistics;
  for_noisy_batches(setup, base_sigma, seed, setup.sizes.denoiser_steps,
                    [&](const Tensor<float>& clean, const Tensor<float>& noisy, std::uint32_t step) {
                      const Indices targets = predictions(network(clean));
                      const auto g = smoothing::black_box_gradient(m, noisy, smoothing::answers_loss(answer, targets),
                                                                   how, seed, step, statistics);
                      queries = g.queries;
                      Adam{.lr = 1e-3}.step(state, m, g.grad);
                      m.update_running_(statistics);
                    });
  return m;
}

/// Certificates of some of the judged images, by few copies.
///   scores(images (n, …)) → (n, classes)
template <class Scores>
DenoisedRun denoised_run(const Setup& setup, const std::string& name, std::int64_t queries, const Scores& scores,
                         std::uint64_t seed) {
  using namespace tenzo;
  DenoisedRun out{name, queries, {.method = name, .sigma = base_sigma, .seed = seed}};
  const smoothing::SmoothedClassifier g(scores, smoothing::AdditiveNoise{smoothing::Family::gaussian, base_sigma});
  const smoothing::CertifyOptions how{
      .selection = selection, .samples = setup.sizes.denoised_samples, .alpha = alpha, .seed = seed};
  for (std::int64_t i = 0; i < std::min(setup.sizes.denoised, setup.judged.size()); ++i) {
    const auto c = g.certify(setup.image(i), i, how);
    out.certified.log.push_back(
        {.index = i, .label = setup.judged.labels(i), .predicted = c.label, .radius = c.radius});
  }
  std::int64_t right = 0;
  const std::int64_t n = std::min<std::int64_t>(setup.held_out.size(), 200);
  const Indices guess = predictions(scores(setup.held_out.x.rows(0, n)));
  for (std::int64_t i = 0; i < n; ++i) right += guess(i) == setup.held_out.labels(i);
  out.certified.clean = double(right) / double(n);
  return out;
}

/// ZO-AE-DS: a denoiser and an encoder, trained through the answers of decoder and network at the code between them, by
/// directions and by coordinates.
std::vector<DenoisedRun> denoised_by_code(const Setup& setup, const Network& network, const Denoiser& begin,
                                          std::uint64_t seed);

}  // namespace smug::certify
