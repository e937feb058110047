// A lab over the type of its denoiser.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include <Eigen/SVD>

#include "lab.hpp"
#include "tenzo/autodiff/grad.hpp"
#include "tenzo/io/model_file.hpp"
#include "tenzo/nn/init.hpp"
#include "tenzo/optim/optimizers.hpp"

namespace smug {

namespace mri = tenzo::mri;

/// Bounds of a denoiser for inputs in [−1, 1]: (sup ‖D(x)‖₂, Lipschitz constant). Infinite where none is known.
template <class D>
std::pair<double, double> bounds_of(const D&, std::int64_t) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  return {infinity, infinity};
}

template <template <class> class Denoiser>
class LabOf final : public Lab {
 public:
  template <class V>
  using Net = typename mri::Unrolled<Denoiser>::template Model<V>;
  using Statistics = mri::UnrolledStatistics<F>;

  /// recompute: whether the way back calls denoisers again, for those whose activations would take much memory.
  LabOf(Denoiser<tenzo::Expected> spec, const Sizes& sizes, bool recompute)
      : sizes_(sizes), spec_(std::move(spec)), recompute_(recompute) {}

  Training train(const Method& m, const Scans& scans, std::uint64_t seed) override {
    using namespace tenzo;
    const auto start = std::chrono::steady_clock::now();
    Net<F> net = begun(m, seed);
    const Net<F> first = mri::without_smoothing(net);
    const bool base = m.from == "fresh";
    const auto steps = std::int64_t(std::lround(m.longer * double(base ? sizes_.base_steps : sizes_.tuning_steps)));
    const Adam adam{.lr = m.lr_factor * (base ? sizes_.base_lr : sizes_.tuning_lr)};
    Adam::State<Net<F>> state;
    Training out{.losses = std::vector<double>(10, 0.0)};
    std::vector<int> counted(10, 0);
    for (std::int64_t step = 0; step < steps; ++step) {
      const Acquisition a = scans.training_image(seed, step);
      const mri::SmoothingNoise noise{.seed = seed, .draw = std::uint32_t(step), .images = a.ids};
      F y = a.kspace;
      if (m.adversarial)
        y = mri::adversarial_measurements(mri::without_smoothing(net), a.solver, y, a.truth,
                                          {.threat = {.eps = mri::relative_radii(y, 0.05)},
                                           .pgd = {.steps = 3, .step = 0.5, .score_every = 3, .seed = seed}},
                                          noise);
      const F z = a.encoding().adjoint(y);
      F clean;
      if (m.loss == Loss::vanilla) clean = first(a.solver, z);
      Statistics statistics;
      auto got =
          value_and_grad([&](const auto& net_here) { return loss_of(m, net_here, a, z, clean, noise, &statistics); },
                         net, [](const Path& leaf) { return is_trained(leaf) && !mri::is_lambda(leaf); });
      clip_norm_(got.grad, 1);
      const double done = double(step) / double(steps);
      adam.step(state, net, got.grad, std::min(1.0, 2 * (1 - done)));  // constant, then falling along a line
      net.update_running_(statistics);
      const auto tenth = std::size_t(10 * step / steps);
      out.losses[tenth] += double(got.value.item());
      ++counted[tenth];
    }
    for (std::size_t i = 0; i < 10; ++i) out.losses[i] /= std::max(1, counted[i]);
    const std::int64_t per_step = m.loss == Loss::denoiser ? 1 : sizes_.steps * std::int64_t(net.settings.samples);
    out.denoiser_calls = steps * per_step * (m.adversarial ? 4 : 1);
    nets_[m.name] = std::move(net);
    out.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return out;
  }

  bool has(const std::string& name) const override { return nets_.count(name) > 0; }
  void clear() override { nets_.clear(); }

  void save(const std::string& name, const std::string& path) const override {
    const Net<F>& net = at(name);
    tenzo::save_model(path, net, {{"smug", "1"}, {"weighted", net.weighting.defined() ? "1" : "0"}});
  }
  void load(const std::string& name, const std::string& path) override {
    const auto file = tenzo::SafetensorsFile::open(path);
    Net<F> net;
    net.denoiser = tenzo::load_model<float>(spec_, file, path, "denoiser.");
    const auto noted = file.metadata().find("weighted");
    if (noted != file.metadata().end() && noted->second == "1")
      net.weighting = tenzo::load_model<float>(weighting_spec(), file, path, "weighting.");
    const tenzo::StoredTensor* lambda = file.tensors().find("lambda");
    if (!lambda || lambda->shape().numel() != 1) throw tenzo::FileError(path, -1, "has no number for 'lambda'");
    net.lambda = F::scalar(lambda->to<float>()(0));
    if (!(net.lambda.item() > 0)) throw tenzo::FileError(path, -1, tenzo::cat("its lambda is ", net.lambda.item()));
    nets_[name] = std::move(net);
  }

  F reconstruct(const std::string& name, const How& how, const Solver& solver, const F& z,
                const mri::SmoothingNoise& noise) const override {
    return prepared(name, how)(solver, z, noise);
  }

  F attack(const std::string& name, const How& how, const Acquisition& a, const mri::AttackOptions& o,
           const mri::SmoothingNoise& noise) const override {
    const F at = o.domain == mri::AttackDomain::kspace ? a.kspace : a.zero_filled();
    return mri::worst_perturbation(prepared(name, how), a.solver, at, a.truth, o, noise).delta;
  }

  double amplification(const std::string& name, const How& how, const Solver& solver, const F& kspace,
                       const mri::SmoothingNoise& noise) const override {
    const Net<F> net = prepared(name, how);
    const auto f = [&](const auto& y) { return net(solver, solver.encoding().adjoint(y), noise); };
    return mri::measured_amplification(f, kspace, 8).value;
  }

  std::pair<double, double> denoiser_bounds(const std::string& name, std::int64_t width) const override {
    return bounds_of(at(name).denoiser, width);
  }

  double weight_entropy(const std::string& name, const How& how, const Acquisition& a,
                        const mri::SmoothingNoise& noise) const override {
    const Net<F> net = prepared(name, how);
    tenzo::require(net.weighting.defined(), "weights: ", name, " has none");
    const std::int64_t n = a.truth.dim(0);
    double total = 0;
    int steps = 0, of = -1;
    const auto watch = [&](int step, int m, const F& x, const F&) {
      if (m != 0 || step == of) return;
      of = step;
      std::vector<F> w;
      for (int k = 0; k < how.samples; ++k)
        w.push_back(net.weighting(tenzo::permute(net.noisy_input(x, noise, step, k), {0, 3, 1, 2})));
      for (std::int64_t i = 0; i < n; ++i) {
        double sum = 0, entropy = 0;
        for (const F& each : w) sum += double(each(i));
        for (const F& each : w) entropy -= double(each(i)) / sum * std::log(double(each(i)) / sum);
        total += entropy / std::log(double(how.samples)) / double(n);
      }
      ++steps;
    };
    net(a.solver, a.zero_filled(), noise, watch);
    return total / std::max(1, steps);
  }

  std::pair<double, double> identities(const std::string& name, const How& how, const Acquisition& a) const override {
    using namespace tenzo;
    const mri::SmoothingNoise noise{.images = a.ids};
    How smug = how;
    smug.smoothing = mri::Smoothing::denoiser;
    How after = how;
    after.smoothing = mri::Smoothing::step;
    Net<F> alike = prepared(name, smug);
    const F z = a.zero_filled(), mean = alike(a.solver, z, noise);
    const F moved = prepared(name, after)(a.solver, z, noise);
    alike.weighting = initialised<float>(weighting_spec(), 1);  // with a last layer of zeros all weights are one half
    for (float& w : alike.weighting.fc.weight.values()) w = 0;
    for (float& b : alike.weighting.fc.bias.values()) b = 0;
    const F weighted = alike(a.solver, z, noise);
    return {norm(sub(moved, mean)) / norm(mean), norm(sub(weighted, mean)) / norm(mean)};
  }

  std::int64_t weights() const override {
    std::int64_t n = 0;
    for_each_leaf([&](const tenzo::Path&, const tenzo::Expected& e) { n += e.shape().numel(); }, spec_);
    return n;
  }

 private:
  tenzo::NoiseWeighting<tenzo::Expected> weighting_spec() const { return tenzo::noise_weighting_spec({}); }

  /// What training begins with, with the method's settings.
  Net<F> begun(const Method& m, std::uint64_t seed) const {
    Net<F> net;
    if (m.from == "fresh") {
      net.denoiser = tenzo::initialised<float>(spec_, seed);
      net.lambda = F::scalar(float(sizes_.lambda));
    } else {
      net = clone(at(m.from));
    }
    if (m.weighted) net.weighting = tenzo::initialised<float>(weighting_spec(), seed);
    net.settings = {.steps = sizes_.steps,
                    .smoothing = m.smoothing,
                    .sigma = m.sigma > 0 ? m.sigma : sizes_.sigma,
                    .samples = m.samples > 0                         ? m.samples
                               : m.smoothing == mri::Smoothing::none ? 1
                                                                     : sizes_.samples,
                    .recompute = recompute_};
    return net;
  }

  template <class M>
  auto loss_of(const Method& m, const M& net, const Acquisition& a, const F& z, const F& clean,
               const mri::SmoothingNoise& noise, Statistics* statistics) const {
    switch (m.loss) {
      case Loss::each: return mri::end_to_end_loss(net, a.solver, z, a.truth, noise, statistics);
      case Loss::vanilla: return mri::end_to_end_loss(net, a.solver, z, clean, noise, statistics);
      case Loss::stability:
        return mri::stability_loss(net, a.solver, z, a.truth, noise, {}, static_cast<const M*>(nullptr), statistics);
      case Loss::denoiser: return mri::denoiser_loss(net, a.truth, noise, statistics);
      default: return mri::reconstruction_loss(net, a.solver, z, a.truth, noise, statistics);
    }
  }

  /// A network that reconstructs as asked.
  Net<F> prepared(const std::string& name, const How& how) const {
    Net<F> net = at(name);
    if (how.smoothing != mri::Smoothing::denoiser) net.weighting = {};
    net.settings = {.steps = how.steps,
                    .smoothing = how.smoothing,
                    .sigma = how.sigma,
                    .samples = how.samples,
                    .recompute = recompute_};
    return net;
  }

  const Net<F>& at(const std::string& name) const {
    const auto it = nets_.find(name);
    tenzo::require(it != nets_.end(), "there is no network '", name, "'");
    return it->second;
  }

  Sizes sizes_;
  Denoiser<tenzo::Expected> spec_;
  bool recompute_;
  std::map<std::string, Net<F>> nets_;
};

}  // namespace smug
