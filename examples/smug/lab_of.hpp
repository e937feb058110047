// A lab over the type of its denoiser and a device.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <string>
#include <type_traits>
#include <utility>

#include "denoiser_bounds.hpp"
#include "lab.hpp"
#include "tenzo/autodiff/grad.hpp"
#include "tenzo/io/model_file.hpp"
#include "tenzo/nn/init.hpp"
#include "tenzo/optim/optimizers.hpp"

namespace smug {

namespace mri = tenzo::mri;

/// Data consistency on a device: on the CPU as the scans have it, elsewhere by conjugate gradients.
template <class Device>
auto placed(const Solver& s) {
  if constexpr (std::is_same_v<Device, tenzo::Cpu>) {
    return s;
  } else {
    const Encoding& e = s.encoding();
    using T = tenzo::Tensor<float, Device>;
    return mri::CgSolver<T>(mri::Encoding<T>{e.maps.on<Device>(), e.mask.on<Device>()}, {.iterations = 30});
  }
}

template <template <class> class Denoiser, class Device>
class LabOf final : public Lab {
  using T = tenzo::Tensor<float, Device>;

 public:
  template <class V>
  using Net = typename mri::Unrolled<Denoiser>::template Model<V>;
  using Statistics = mri::UnrolledStatistics<T>;

  /// recompute: whether the way back calls denoisers again, for those whose activations would take much memory.
  LabOf(std::string denoiser, Denoiser<tenzo::Expected> spec, const Sizes& sizes, bool recompute)
      : denoiser_(std::move(denoiser)), sizes_(sizes), spec_(std::move(spec)), recompute_(recompute) {}

  Training train(const Method& m, const Scans& scans, std::uint64_t seed) override {
    using namespace tenzo;
    const auto start = std::chrono::steady_clock::now();
    Net<T> net = begun(m, seed);
    Net<T> first;  // what training begins with, apart from what it changes in place
    if (m.loss == Loss::vanilla) first = mri::without_smoothing(clone(net));
    const bool base = m.from == "fresh";
    const auto steps = std::int64_t(std::lround(m.longer * double(base ? sizes_.base_steps : sizes_.tuning_steps)));
    const Adam adam{.lr = m.lr_factor * (base ? sizes_.base_lr : sizes_.tuning_lr)};
    Adam::State<Net<T>> state;
    Training out{.losses = std::vector<double>(10, 0.0)};
    std::vector<int> counted(10, 0);
    for (std::int64_t step = 0; step < steps; ++step) {
      const Acquisition a = scans.training_image(seed, step);
      const mri::SmoothingNoise noise{.seed = seed, .draw = std::uint32_t(step), .images = a.ids};
      const auto solver = placed<Device>(a.solver);
      F y = a.kspace;
      if (m.adversarial)
        y = mri::adversarial_measurements(
            mri::without_smoothing(net), solver, y, a.truth,
            {.threat = {.eps = mri::relative_radii(y, 0.05)},
             .pgd = {.steps = adversary_steps, .step = 0.5, .score_every = adversary_steps, .seed = seed}},
            noise);
      const T z = solver.encoding().adjoint(there(y)), truth = there(a.truth);
      T clean;
      if (m.loss == Loss::vanilla) clean = first(solver, z);
      Statistics statistics;
      auto got =
          value_and_grad([&](const auto& n) { return loss_of(m, n, solver, truth, z, clean, noise, &statistics); }, net,
                         [](const Path& leaf) { return is_trained(leaf) && !mri::is_lambda(leaf); });
      if (!std::isfinite(double(got.value.item())))
        throw ValueError(cat("training of ", m.name, ", seed ", seed, ", diverged: its loss is no number at step ",
                             step + 1, " of ", steps));
      clip_norm_(got.grad, 1);
      const double done = double(step) / double(steps);
      adam.step(state, net, got.grad, std::min(1.0, 2 * (1 - done)));  // constant, then falling along a line
      net.update_running_(statistics);
      const auto tenth = std::size_t(10 * step / steps);
      out.losses[tenth] += double(got.value.item());
      ++counted[tenth];
    }
    for (std::size_t i = 0; i < 10; ++i) out.losses[i] /= std::max(1, counted[i]);
    out.denoiser_calls = steps * calls_of_step(m, net.settings);
    nets_[m.name] = std::move(net);
    out.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return out;
  }

  bool has(const std::string& name) const override { return nets_.count(name) > 0; }
  void clear() override { nets_.clear(); }

  void save(const std::string& name, const std::string& path) const override {
    const Net<T>& net = at(name);
    using tenzo::cat;
    tenzo::save_model(path, tenzo::to_device<tenzo::Cpu>(net),
                      {{"smug", "1"},
                       {"weighted", net.weighting.defined() ? "1" : "0"},
                       {"method", name},
                       {"denoiser", denoiser_},
                       {"sigma", cat(net.settings.sigma)},
                       {"samples", cat(net.settings.samples)},
                       {"steps", cat(net.settings.steps)},
                       {"acceleration", cat(sizes_.acceleration)},
                       {"channels", cat(sizes_.channels)},
                       {"coils", cat(sizes_.coils)},
                       {"width", cat(sizes_.width)}});
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
    nets_[name] = tenzo::to_device<Device>(net);
  }

  F reconstruct(const std::string& name, const How& how, const Solver& solver, const F& z,
                const mri::SmoothingNoise& noise) const override {
    return here(prepared(name, how)(placed<Device>(solver), there(z), noise));
  }

  F attack(const std::string& name, const How& how, const Solver& solver, const F& at, const F& truth,
           const mri::AttackOptions& o, const mri::SmoothingNoise& noise) const override {
    return mri::worst_perturbation(prepared(name, how), placed<Device>(solver), at, truth, o, noise).delta;
  }

  double amplification(const std::string& name, const How& how, const Solver& solver, const F& kspace,
                       const mri::SmoothingNoise& noise) const override {
    const Net<T> net = prepared(name, how);
    const auto consistency = placed<Device>(solver);
    const auto f = [&](const auto& y) { return net(consistency, consistency.encoding().adjoint(y), noise); };
    return mri::measured_amplification(f, there(kspace), 6).value;
  }

  std::pair<double, double> denoiser_bounds(const std::string& name, std::int64_t width) const override {
    return bounds_of(tenzo::to_device<tenzo::Cpu>(at(name).denoiser), width);
  }

  double weight_entropy(const std::string& name, const How& how, const Acquisition& a,
                        const mri::SmoothingNoise& noise) const override {
    const Net<T> net = prepared(name, how);
    tenzo::require(net.weighting.defined(), "weights: ", name, " has none");
    const std::int64_t n = a.truth.dim(0);
    double total = 0;
    int steps = 0, of = -1;
    const auto watch = [&](int step, int m, const T& x, const T&) {
      if (m != 0 || step == of) return;
      of = step;
      std::vector<F> w;
      for (int k = 0; k < how.samples; ++k)
        w.push_back(here(net.weighting(tenzo::permute(net.noisy_input(x, noise, step, k), {0, 3, 1, 2}))));
      for (std::int64_t i = 0; i < n; ++i) {
        double sum = 0, entropy = 0;
        for (const F& each : w) sum += double(each(i));
        for (const F& each : w) entropy -= double(each(i)) / sum * std::log(double(each(i)) / sum);
        total += entropy / std::log(double(how.samples)) / double(n);
      }
      ++steps;
    };
    net(placed<Device>(a.solver), there(a.zero_filled()), noise, watch);
    return total / std::max(1, steps);
  }

  std::pair<double, double> identities(const std::string& name, const How& how, const Acquisition& a) const override {
    using namespace tenzo;
    const mri::SmoothingNoise noise{.images = a.ids};
    How smug = how;
    smug.smoothing = mri::Smoothing::denoiser;
    How after = how;
    after.smoothing = mri::Smoothing::step;
    Net<T> alike = prepared(name, smug);
    const auto solver = placed<Device>(a.solver);
    const T z = there(a.zero_filled()), mean = alike(solver, z, noise);
    const T moved = prepared(name, after)(solver, z, noise);
    alike.weighting = to_device<Device>(initialised<float>(weighting_spec(), 1));
    alike.weighting.fc = zeros_like(alike.weighting.fc);  // all weights are one half
    const T weighted = alike(solver, z, noise);
    return {norm(sub(moved, mean)) / norm(mean), norm(sub(weighted, mean)) / norm(mean)};
  }

  std::int64_t weights() const override { return tenzo::count_elements(spec_); }

 private:
  static constexpr std::int64_t adversary_steps = 3;

  /// Forward calls of the denoiser in a training step.
  static std::int64_t calls_of_step(const Method& m, const mri::UnrolledSettings& s) {
    if (m.loss == Loss::denoiser) return 1;
    std::int64_t calls = std::int64_t(s.steps) * (s.end_to_end() || s.per_step() ? s.samples : 1);
    if (m.loss == Loss::stability) calls += 1;                    // of the truth
    if (m.loss == Loss::vanilla) calls += s.steps;                // of the first network
    if (m.adversarial) calls += (adversary_steps + 2) * s.steps;  // and two scores
    return calls;
  }

  static T there(const F& x) { return x.template to<Device>(); }
  static F here(const T& x) { return x.template to<tenzo::Cpu>(); }

  tenzo::NoiseWeighting<tenzo::Expected> weighting_spec() const { return tenzo::noise_weighting_spec({}); }

  /// What training begins with, with the method's settings.
  Net<T> begun(const Method& m, std::uint64_t seed) const {
    Net<T> net;
    if (m.from == "fresh") {
      net.denoiser = tenzo::to_device<Device>(tenzo::initialised<float>(spec_, seed));
      net.lambda = T::scalar(float(sizes_.lambda));
    } else {
      net = clone(at(m.from));
    }
    if (m.weighted) net.weighting = tenzo::to_device<Device>(tenzo::initialised<float>(weighting_spec(), seed));
    net.settings = {.steps = sizes_.steps,
                    .smoothing = m.smoothing,
                    .sigma = m.sigma > 0 ? m.sigma : sizes_.sigma,
                    .samples = m.samples > 0                         ? m.samples
                               : m.smoothing == mri::Smoothing::none ? 1
                                                                     : sizes_.samples,
                    .recompute = recompute_};
    return net;
  }

  template <class M, class S>
  auto loss_of(const Method& m, const M& net, const S& solver, const T& truth, const T& z, const T& clean,
               const mri::SmoothingNoise& noise, Statistics* statistics) const {
    switch (m.loss) {
      case Loss::each: return mri::end_to_end_loss(net, solver, z, truth, noise, statistics);
      case Loss::vanilla: return mri::end_to_end_loss(net, solver, z, clean, noise, statistics);
      case Loss::stability:
        return mri::stability_loss(net, solver, z, truth, noise, {}, static_cast<const M*>(nullptr), statistics);
      case Loss::denoiser: return mri::denoiser_loss(net, truth, noise, statistics);
      default: return mri::reconstruction_loss(net, solver, z, truth, noise, statistics);
    }
  }

  /// A network that reconstructs as asked.
  Net<T> prepared(const std::string& name, const How& how) const {
    Net<T> net = at(name);
    if (how.smoothing != mri::Smoothing::denoiser) net.weighting = {};
    net.settings = {.steps = how.steps,
                    .smoothing = how.smoothing,
                    .sigma = how.sigma,
                    .samples = how.samples,
                    .recompute = recompute_};
    return net;
  }

  const Net<T>& at(const std::string& name) const {
    const auto it = nets_.find(name);
    tenzo::require(it != nets_.end(), "there is no network '", name, "'");
    return it->second;
  }

  std::string denoiser_;
  Sizes sizes_;
  Denoiser<tenzo::Expected> spec_;
  bool recompute_;
  std::map<std::string, Net<T>> nets_;
};

}  // namespace smug
