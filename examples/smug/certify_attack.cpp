#include <algorithm>
#include <cmath>

#include "certify_measure.hpp"
#include "tenzo/smoothing/adversary.hpp"
#include "tenzo/smoothing/quantile.hpp"

namespace smug::certify {

using namespace tenzo;
using namespace tenzo::smoothing;

namespace {

using F = Tensor<float>;

/// So many of a list, evenly spread over it.
std::vector<std::int64_t> spread_over(const std::vector<std::int64_t>& all, std::int64_t count) {
  const auto n = std::int64_t(all.size());
  std::vector<std::int64_t> out;
  for (std::int64_t i = 0; i < std::min(count, n); ++i)
    out.push_back(all[std::size_t((2 * i + 1) * n / (2 * std::min(count, n)))]);
  return out;
}

}  // namespace

std::vector<Attacked> attacked(const Setup& setup, const Network& network, const Certified& certified,
                               std::int64_t count) {
  const AdditiveNoise noise{Family::gaussian, certified.sigma};
  std::vector<std::int64_t> order;
  for (const CertifiedImage& c : certified.log)
    if (c.predicted != abstain && c.radius > 0) order.push_back(c.index);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) {
    return certified.log[std::size_t(a)].radius < certified.log[std::size_t(b)].radius;
  });
  const std::vector<std::int64_t> chosen = spread_over(order, count);
  std::vector<Attacked> out;
  const SmoothedClassifier g(answers(network, setup.device), noise);
  // judged by noise that neither the certificate nor the attack has seen
  const CertifyOptions judge{.samples = setup.sizes.samples, .alpha = alpha, .seed = certified.seed + 7919};
  constexpr std::size_t together = 4;
  for (std::size_t at = 0; at < chosen.size(); at += together) {
    const std::size_t end = std::min(chosen.size(), at + together);
    const Rows rows(chosen.begin() + std::ptrdiff_t(at), chosen.begin() + std::ptrdiff_t(end));
    const Samples<float> batch = setup.judged.at(rows);
    Indices labels(Shape{std::int64_t(rows.size())});
    std::vector<double> radii;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      labels(std::int64_t(i)) = certified.log[std::size_t(rows[i])].predicted;
      radii.push_back(certified.log[std::size_t(rows[i])].radius);
      out.push_back({certified.seed, rows[i], labels(std::int64_t(i)), radii.back()});
    }
    for (const bool inside : {true, false}) {
      // no range: the certificate is of all of space
      attack::Threat threat{.norm = attack::Norm::l2, .eps = radii};
      for (double& eps : threat.eps) eps *= inside ? attack_inside : attack_outside;
      const auto found = attack_smoothed(network, noise, batch.x, labels, threat,
                                         {.pgd = {.steps = setup.sizes.attack_steps, .score_every = 10},
                                          .draws = attack_draws,
                                          .held_out = attack_judges,
                                          .seed = certified.seed + 104729},
                                         rows.front());
      const F moved = add(batch.x, found.delta);
      for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto row = std::int64_t(i);
        const std::int64_t says =
            g.predict(moved.rows(row, row + 1).reshaped(moved.shape().without(0)), rows[i], judge);
        Attacked& a = out[at + i];
        (inside ? a.inside : a.outside) = says;
      }
    }
  }
  return out;
}

std::vector<Regressed> regressed(const Setup& setup, const Network& network, std::uint64_t seed) {
  const AdditiveNoise noise{Family::gaussian, regression_sigma};
  const Answers says = answers(network, setup.device);
  std::vector<Regressed> out;
  for (std::int64_t i = 0; i < std::min(setup.sizes.regressed, setup.judged.size()); ++i) {
    const F x = setup.judged.x.rows(i, i + 1);
    const std::int64_t label = setup.judged.labels(i);
    const auto score = [&](const F& images) {
      const F s = says(images);
      F y(Shape{s.shape()[0]});
      for (std::int64_t r = 0; r < y.size(); ++r) y(r) = s(r, label);
      return y;
    };
    const QuantileOptions o{
        .eps = regression_eps, .samples = setup.sizes.regression_samples, .alpha = alpha, .batch = 400};
    const auto interval = quantile_smoothed(score, noise, setup.image(i), {seed, i, Phase::estimation}, o);
    Regressed r{seed, i, double(interval.low.item()), double(interval.value.item()), double(interval.high.item())};
    for (const double sign : {1.0, -1.0}) {
      const Indices column = Indices::full({1}, label);
      // a median has no useful gradient by samples: the mean's is climbed, the median judged
      const auto climbed = [&](const auto& delta, const F& eta) {
        const auto s = mean(base_output(network, noisy_copies(delta, x, eta)), 0);
        return scale(index_select(s, 0, column), sign);
      };
      const auto noise_of = [&](Phase phase, std::int64_t first, std::int64_t draws) {
        return noise_for<float>(noise, x.shape(), {seed, i, phase}, first, draws);
      };
      const F held_out = noise_of(Phase::evaluation, 0, attack_judges);
      const auto found = attack::pgd(
          x, {.norm = attack::Norm::l2, .eps = {regression_eps}}, {.steps = setup.sizes.regression_steps},
          [&](const F& delta, const attack::PgdQuery& q) {
            const F eta = noise_of(Phase::attack, attack_draws * q.step, attack_draws);
            const auto g = value_and_grad([&](const auto& d) { return sum(climbed(d, eta)); }, delta);
            return attack::LossesAndGradient<float>{F::full({1}, g.value.item()), g.grad};
          },
          [&](const F& delta) { return climbed(delta, held_out); });
      const F moved = add(x, found.delta).reshaped(x.shape().without(0));
      const double reached =
          quantile_smoothed(score, noise, moved, {seed + 7919, i, Phase::estimation}, o).value.item();
      (sign > 0 ? r.most : r.least) = reached;
    }
    out.push_back(r);
  }
  return out;
}

HeavyTail heavy_tail(std::uint64_t seed, int seeds) {
  using D = Tensor<double>;
  const auto f = [](const D& x) {
    D y(Shape{x.shape()[0]});
    for (std::int64_t i = 0; i < y.size(); ++i)
      y(i) = std::clamp(std::sinh(3 * x(i, 0)), -heavy_tail_range, heavy_tail_range);
    return y;
  };
  HeavyTail out;
  const AdditiveNoise noise{Family::gaussian, regression_sigma};
  for (int s = 0; s < seeds; ++s) {
    const QuantileOptions o{.eps = regression_eps, .samples = 10000, .alpha = alpha, .batch = 1000};
    const Stream stream{seed + std::uint64_t(s), 0, Phase::estimation};
    const auto m = quantile_smoothed(f, noise, D::full({1}, 0.2), stream, o);
    const auto e = mean_smoothed(f, noise, D::full({1}, 0.2), stream, o, -heavy_tail_range, heavy_tail_range);
    out.median_width.push_back(m.high.item() - m.low.item());
    out.mean_width.push_back(e.high.item() - e.low.item());
    out.ratio.push_back(out.mean_width.back() / out.median_width.back());
  }
  return out;
}

}  // namespace smug::certify
