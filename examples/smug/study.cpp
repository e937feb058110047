#include "study.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "tenzo/autodiff/grad.hpp"
#include "tenzo/mri/cg_sense.hpp"
#include "tenzo/mri/metrics.hpp"
#include "tenzo/mri/total_variation.hpp"
#include "tenzo/smoothing/quantile.hpp"
#include "tenzo/stats/interval.hpp"

namespace smug {

using namespace tenzo;

namespace {

/// Judges see other noise than training and attacks do.
mri::SmoothingNoise judging_noise(std::uint64_t seed, const Acquisition& a, std::uint32_t draw = 0) {
  return {.seed = seed + 1000003, .draw = draw, .images = a.ids};
}
mri::SmoothingNoise attacking_noise(std::uint64_t seed, const Acquisition& a) {
  return {.seed = seed + 2000003, .images = a.ids};
}

F one_of(const F& x, std::int64_t i) { return x.rows(i, i + 1).reshaped(x.shape().without(0)); }

/// The slice in the middle of an acquisition, as one of its own.
Acquisition one_slice(const Acquisition& a) {
  const std::int64_t i = a.truth.dim(0) / 2;
  const Encoding& e = a.encoding();
  return {e.maps.rank() == 4 ? a.solver : Solver(mri::encoding(one_of(e.maps, i), e.mask)),
          a.truth.rows(i, i + 1),
          a.kspace.rows(i, i + 1),
          {a.ids[std::size_t(i)]}};
}

float largest(const F& x) {
  float most = 0;
  for (const float v : x.values()) most = std::max(most, v);
  return most;
}

void note(Judgement& j, const std::string& condition, const F& x, const F& truth) {
  auto &psnr = j.psnr[condition], &ssim = j.ssim[condition];
  for (std::int64_t i = 0; i < truth.dim(0); ++i) {
    const F got = one_of(x, i), want = one_of(truth, i);
    psnr.push_back(mri::complex_psnr(got, want));
    const F magnitude = complex_abs(want);
    ssim.push_back(mri::ssim(complex_abs(got), magnitude, mri::SsimOptions::fastmri(largest(magnitude))));
  }
}

constexpr int attack_steps = 20;

/// How a network reconstructs where an attack asks for its gradient.
How attacked(How how, const Sizes& s) {
  how.samples = std::min(how.samples, s.attack_samples);
  return how;
}

/// An attack on k-space, ‖δ‖ = percent of ‖y‖.
mri::AttackOptions attack_options(const F& kspace, int percent, mri::AttackGradient gradient, int steps,
                                  std::uint64_t seed) {
  return {.gradient = gradient,
          .threat = {.eps = mri::relative_radii(kspace, percent / 100.0)},
          .pgd = {.steps = steps, .step = 0.25, .score_every = 5, .seed = seed}};
}

struct NamedGradient {
  const char* name;
  mri::AttackGradient gradient;
};
constexpr NamedGradient gradients[] = {{"adaptive", mri::AttackGradient::adaptive},
                                       {"masked", mri::AttackGradient::masked}};

std::uint8_t grey(double v) { return std::uint8_t(std::lround(255 * std::clamp(v, 0.0, 1.0))); }

Picture picture_of(const F& magnitude, double brightness = 1) {
  Picture p{.width = magnitude.dim(-1)};
  for (const float v : magnitude.values()) p.pixels.push_back(grey(brightness * double(v)));
  return p;
}

}  // namespace

std::vector<int> strengths(bool all) { return all ? std::vector<int>{5, 10, 20} : std::vector<int>{20}; }

std::vector<int> depths(const Sizes& s) {
  std::vector<int> all = {1, 2, 3, s.steps - 1, s.steps, s.steps + 1, s.steps + 3, 2 * s.steps, 3 * s.steps};
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

std::vector<int> rates() { return {2, 3, 4, 5, 6, 8}; }

How how_of(const Method& m, const Sizes& s) {
  How how{.smoothing = m.smoothing,
          .sigma = m.sigma > 0 ? m.sigma : s.sigma,
          .samples = s.judged_samples,
          .steps = s.steps};
  if (how.smoothing == mri::Smoothing::step) how.smoothing = mri::Smoothing::denoiser;  // the same numbers for less
  return how;
}

namespace {

/// One network under all conditions, of one seed.
class Trial {
 public:
  Trial(const Lab& lab, const Scans& scans, const Method& m, const Sizes& s, std::uint64_t seed, bool full, bool first)
      : lab_(lab),
        scans_(scans),
        m_(m),
        s_(s),
        seed_(seed),
        full_(full),
        thorough_(full && first && !m.ablation),
        a_(scans.judged(seed, s.acceleration)),
        noise_(judging_noise(seed, a_)),
        how_(how_of(m, s)),
        attacked_how_(attacked(how_, s)) {
    j_.method = m.name, j_.seed = seed;
  }

  Judgement judged() {
    clean();
    for (const int percent : strengths(thorough_)) perturbed(percent);
    if (thorough_ && m_.headline) published_attacks();
    other_conditions();
    if (m_.weighted) j_.numbers["entropy"] = lab_.weight_entropy(m_.name, how_, a_, noise_);
    if (m_.name == "SMUG" && full_) numbers_of_samples();
    return j_;
  }

 private:
  F reconstructed(const F& y) const { return from(a_.encoding().adjoint(y)); }
  F from(const F& z) const { return lab_.reconstruct(m_.name, how_, a_.solver, z, noise_); }
  F worst(const F& at, const mri::AttackOptions& o) const {
    return lab_.attack(m_.name, attacked_how_, a_.solver, at, a_.truth, o, attacking_noise(seed_, a_));
  }

  void clean() {
    How as_trained = how_;
    as_trained.smoothing = m_.smoothing;  // what SMUGv0 costs; its numbers are SMUG's
    const F z = a_.zero_filled();
    const auto start = std::chrono::steady_clock::now();
    clean_ = lab_.reconstruct(m_.name, as_trained, a_.solver, z, noise_);
    const auto n = a_.truth.dim(0);
    j_.seconds_per_image = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / double(n);
    note(j_, "clean", clean_, a_.truth);
    for (std::int64_t i = 0; i < n; ++i) {
      const F got = complex_abs(one_of(clean_, i)), want = complex_abs(one_of(a_.truth, i));
      j_.numbers["nmse"] += mri::nmse(got, want) / double(n);
      j_.numbers["hfen"] += mri::hfen(got, want) / double(n);
    }
  }

  void perturbed(int percent) {
    const auto radii = mri::relative_radii(a_.kspace, percent / 100.0);
    note(j_, cat("random ", percent),
         reconstructed(add(a_.kspace, mri::random_perturbation(a_.encoding(), a_.kspace, radii, seed_))), a_.truth);
    for (const auto& [name, gradient] : gradients) {
      const F moved =
          add(a_.kspace, worst(a_.kspace, attack_options(a_.kspace, percent, gradient, attack_steps, seed_)));
      note(j_, cat(name, ' ', percent), reconstructed(moved), a_.truth);
      if (gradient == mri::AttackGradient::adaptive)
        note(j_, cat("zero-filled ", percent), a_.encoding().adjoint(moved), a_.truth);
    }
  }

  /// More steps, and the two protocols of the papers.
  void published_attacks() {
    const F z = clamp(a_.zero_filled(), -1, 1);
    for (const auto& [name, gradient] : gradients) {
      note(j_, cat(name, "50 20"),
           reconstructed(add(a_.kspace, worst(a_.kspace, attack_options(a_.kspace, 20, gradient, 50, seed_)))),
           a_.truth);
      mri::AttackOptions o{.gradient = gradient,
                           .threat = {.norm = attack::Norm::linf, .eps = {0.02}},
                           .pgd = {.steps = 10, .step = 1.0 / 3, .score_every = 5, .seed = seed_}};
      note(j_, cat("k-space l∞ ", name), reconstructed(add(a_.kspace, worst(a_.kspace, o))), a_.truth);
      o.domain = mri::AttackDomain::image;
      o.threat = {.norm = attack::Norm::linf, .eps = {2.0 / 255}, .low = -1, .high = 1};
      note(j_, cat("image l∞ ", name), from(add(z, worst(z, o))), a_.truth);
    }
  }

  void other_conditions() {
    for (const int steps : m_.ablation ? std::vector{s_.steps, 3 * s_.steps} : depths(s_)) {
      How deeper = how_;
      deeper.steps = steps;
      note(j_, cat("steps ", steps),
           steps == s_.steps ? clean_ : lab_.reconstruct(m_.name, deeper, a_.solver, a_.zero_filled(), noise_),
           a_.truth);
    }
    for (const int rate : m_.ablation ? std::vector<int>{} : rates())
      for (std::uint64_t mask = 1; mask <= s_.masks; ++mask) {
        const Acquisition other = scans_.judged(seed_, rate, mask);
        note(j_, cat("rate ", rate), lab_.reconstruct(m_.name, how_, other.solver, other.zero_filled(), noise_),
             other.truth);
      }
    if (const Acquisition far = scans_.others(seed_); far.truth.defined())
      note(j_, "others", lab_.reconstruct(m_.name, how_, far.solver, far.zero_filled(), judging_noise(seed_, far)),
           far.truth);
  }

  /// What the mean needs: PSNR by number of samples, and how far reconstructions with other noise are apart.
  void numbers_of_samples() {
    for (const int samples : sample_counts) {
      How with = how_;
      with.samples = samples;
      constexpr int draws = 6;
      std::vector<F> x;
      double psnr = 0;
      for (int d = 0; d < draws; ++d) {
        x.push_back(lab_.reconstruct(m_.name, with, a_.solver, a_.zero_filled(),
                                     judging_noise(seed_, a_, std::uint32_t(d + 1))));
        Judgement scratch;
        note(scratch, "", x.back(), a_.truth);
        psnr += mean_of(scratch.psnr[""]) / draws;
      }
      F mean = zeros_like(x.front());
      for (const F& each : x) axpy_(1.0 / draws, each, mean);
      double squares = 0;
      for (const F& each : x) squares += std::pow(norm(sub(each, mean)), 2);
      j_.numbers[cat("samples ", samples)] = psnr;
      j_.numbers[cat("spread ", samples)] = std::sqrt(squares / (draws - 1)) / norm(mean);
    }
  }

  const Lab& lab_;
  const Scans& scans_;
  const Method& m_;
  const Sizes& s_;
  std::uint64_t seed_;
  bool full_, thorough_;
  Acquisition a_;
  mri::SmoothingNoise noise_;
  How how_, attacked_how_;
  F clean_;
  Judgement j_;
};

/// The worst perturbation of y for a reconstruction from z = Aᴴ y that can be differentiated.
template <class Reconstruct>
F worst_for(Reconstruct&& reconstruct, const Acquisition& a, const mri::AttackOptions& o) {
  const auto losses = [&](const auto& delta) {
    return mri::detail::image_losses(reconstruct(a.encoding().adjoint(add(delta, a.kspace))), a.truth);
  };
  const auto gradient = [&](const F& delta, const attack::PgdQuery&) {
    auto g = vjp(losses, delta, F::ones({a.truth.dim(0)}));
    return attack::LossesAndGradient<float>{g.value, g.grad};
  };
  return attack::pgd(a.kspace, o.threat, o.pgd, gradient, losses, a.encoding().lines()).delta;
}

}  // namespace

Judgement judge(const Lab& lab, const Scans& scans, const Method& m, const Sizes& s, std::uint64_t seed, bool full,
                bool first) {
  return Trial(lab, scans, m, s, seed, full, first).judged();
}

std::vector<Judgement> floors(const Scans& scans, const Sizes& s, std::uint64_t seed, bool full) {
  const Acquisition a = scans.judged(seed, s.acceleration);
  const auto attack_of = [&](int percent) {
    return attack_options(a.kspace, percent, mri::AttackGradient::adaptive, attack_steps, seed);
  };
  constexpr double lambda = 0.01;
  const auto zero_filled = [](const auto& z) { return z; };
  const auto cg_sense = [&](const auto& z) { return a.solver.solve(z, F::scalar(float(lambda))); };
  std::vector<Judgement> out;
  const auto add_floor = [&](const std::string& name, auto&& reconstruct, auto&& attacked) {
    Judgement j{.method = name, .seed = seed};
    const auto of = [&](const F& y) { return reconstruct(a.encoding(), a.encoding().adjoint(y)); };
    note(j, "clean", of(a.kspace), a.truth);
    for (const int percent : strengths(full)) {
      const auto radii = mri::relative_radii(a.kspace, percent / 100.0);
      note(j, cat("random ", percent), of(add(a.kspace, mri::random_perturbation(a.encoding(), a.kspace, radii, seed))),
           a.truth);
      note(j, cat("adaptive ", percent), of(add(a.kspace, worst_for(attacked, a, attack_of(percent)))), a.truth);
    }
    for (const int rate : rates())
      for (std::uint64_t mask = 1; mask <= s.masks; ++mask) {
        const Acquisition other = scans.judged(seed, rate, mask);
        note(j, cat("rate ", rate), reconstruct(other.encoding(), other.zero_filled()), other.truth);
      }
    if (const Acquisition far = scans.others(seed); far.truth.defined())
      note(j, "others", reconstruct(far.encoding(), far.zero_filled()), far.truth);
    out.push_back(std::move(j));
  };
  add_floor(
      "zero-filled", [](const Encoding&, const F& z) { return z; }, zero_filled);
  add_floor(
      "CG-SENSE", [](const Encoding& e, const F& z) { return mri::cg_sense(e, z, lambda); }, cg_sense);
  // Total variation has no gradient here: it is given what is worst for CG-SENSE.
  add_floor(
      "total variation",
      [](const Encoding& e, const F& z) { return mri::total_variation(e, z, {.weight = 2e-3, .iterations = 100}); },
      cg_sense);
  return out;
}

Amplified amplified(const Lab& lab, const Scans& scans, const Method& m, const Sizes& s, std::uint64_t seed,
                    std::int64_t slices) {
  const Acquisition a = scans.judged(seed, s.acceleration);
  const auto [low, high] = a.solver.singular_values();
  const auto [sup, steep] = lab.denoiser_bounds(m.name, scans.width());
  const How how = how_of(m, s);
  const mri::AmplificationTerms t{.smallest = low,
                                  .largest = high,
                                  .lambda = s.lambda,
                                  .sigma = how.sigma,
                                  .sup = sup,
                                  .lipschitz = steep,
                                  .steps = s.steps};
  Amplified out{.method = m.name,
                .seed = seed,
                .tight = mri::tight_amplification(t),
                .published = mri::published_amplification(t)};
  for (std::int64_t i = 0; i < std::min(slices, a.truth.dim(0)); ++i)
    out.measured.push_back(lab.amplification(m.name, how, a.solver, a.kspace.rows(i, i + 1),
                                             {.seed = seed + 1000003, .images = {a.ids[std::size_t(i)]}}));
  return out;
}

std::vector<PictureRow> pictures(const Lab& lab, const Scans& scans, const std::vector<std::string>& methods,
                                 const Sizes& s, std::uint64_t seed) {
  const Acquisition a = one_slice(scans.judged(seed, s.acceleration));
  const F truth = complex_abs(one_of(a.truth, 0));
  const auto apart = [&](const F& magnitude) {
    F error(truth.shape());
    for (std::int64_t i = 0; i < error.size(); ++i) error(i) = std::abs(magnitude(i) - truth(i));
    return error;
  };
  const auto row_of = [&](const std::string& name, auto&& perturbation) {
    PictureRow row{.name = name, .notes = {"truth"}, .images = {picture_of(truth)}, .errors = {{}}};
    const auto put = [&](const std::string& method, const F& x, const F& delta) {
      const F got = one_of(x, 0), magnitude = complex_abs(got);
      row.notes.push_back(cat(method, "|", mri::complex_psnr(got, one_of(a.truth, 0))));
      row.images.push_back(picture_of(magnitude));
      row.errors.push_back(picture_of(apart(magnitude), 5));
      if (!delta.defined()) return;
      if (row.perturbations.empty()) row.perturbations.push_back({});  // below the truth
      row.perturbations.push_back(picture_of(complex_abs(one_of(a.encoding().adjoint(delta), 0)), 5));
    };
    for (const std::string& method : methods) {
      How how = how_of(method_named(method), s);
      const F delta = perturbation(method, how);
      const F y = delta.defined() ? add(a.kspace, delta) : a.kspace;
      if (method == methods.front()) put("zero-filled", a.encoding().adjoint(y), delta);
      put(method, lab.reconstruct(method, how, a.solver, a.encoding().adjoint(y), judging_noise(seed, a)), delta);
    }
    return row;
  };
  std::vector<PictureRow> out{row_of("as measured", [](const std::string&, const How&) { return F{}; }),
                              row_of("random noise, 20 %", [&](const std::string&, const How&) {
                                return mri::random_perturbation(a.encoding(), a.kspace,
                                                                mri::relative_radii(a.kspace, 0.2), seed);
                              })};
  for (const auto& [name, gradient] : gradients)
    out.push_back(
        row_of(cat("worst case, 20 %, by the ", name, " attack"), [&](const std::string& method, const How& how) {
          return lab.attack(method, attacked(how, s), a.solver, a.kspace, a.truth,
                            attack_options(a.kspace, 20, gradient, attack_steps, seed), attacking_noise(seed, a));
        }));
  return out;
}

Intervals intervals(const Lab& lab, const Scans& scans, const std::string& method, const Sizes& s, std::uint64_t seed,
                    bool full) {
  const Acquisition a = one_slice(scans.judged(seed, s.acceleration));
  const How plainly{.smoothing = mri::Smoothing::none, .sigma = s.sigma, .samples = 1, .steps = s.steps};
  const auto magnitudes = [&](const F& y) {  // (b, C, W, W, 2) -> (b, W, W)
    return complex_abs(lab.reconstruct(method, plainly, a.solver, a.encoding().adjoint(y), {}));
  };
  Intervals out{.eps = 0.4 * s.sigma, .sigma = s.sigma, .alpha = 0.05, .samples = full ? 2000 : 600};
  const F y = one_of(a.kspace, 0);
  const auto found = smoothing::quantile_smoothed(
      magnitudes, smoothing::AdditiveNoise{.sigma = s.sigma}, y, {.seed = seed, .image = a.ids.front()},
      {.eps = out.eps, .samples = out.samples, .alpha = out.alpha, .batch = 32});
  F wide(found.low.shape());
  double sum = 0;
  for (std::int64_t i = 0; i < wide.size(); ++i) {
    wide(i) = found.high(i) - found.low(i);
    sum += double(wide(i));
    out.largest_width = std::max(out.largest_width, double(wide(i)));
  }
  out.mean_width = sum / double(wide.size());
  out.median = picture_of(found.value);
  out.width = picture_of(wide, 1 / std::max(1e-12, out.largest_width));

  // The median of other noise under perturbations of that length, found by gradients of the mean over noise.
  How mean = plainly;
  mean.smoothing = mri::Smoothing::measurements, mean.samples = s.attack_samples;
  const F delta = lab.attack(method, mean, a.solver, a.kspace, a.truth,
                             {.threat = {.eps = {out.eps}}, .pgd = {.steps = 20, .step = 0.25, .seed = seed}},
                             attacking_noise(seed, a));
  const auto moved =
      smoothing::quantile_smoothed(magnitudes, smoothing::AdditiveNoise{.sigma = s.sigma}, add(y, one_of(delta, 0)),
                                   {.seed = seed, .image = a.ids.front(), .phase = smoothing::Phase::attack},
                                   {.samples = out.samples, .alpha = out.alpha, .batch = 32});
  std::int64_t inside = 0;
  for (std::int64_t i = 0; i < wide.size(); ++i)
    inside += moved.value(i) >= found.low(i) && moved.value(i) <= found.high(i);
  out.inside = double(inside) / double(wide.size());
  return out;
}

const Judgement* find(const std::vector<Judgement>& all, const std::string& method, std::uint64_t seed) {
  for (const Judgement& j : all)
    if (j.method == method && j.seed == seed) return &j;
  return nullptr;
}

std::vector<double> over_seeds(const std::vector<Judgement>& all, const std::string& method,
                               const std::string& condition, Figures Judgement::*figures) {
  std::vector<double> out;
  for (const Judgement& j : all) {
    const auto it = (j.*figures).find(condition);
    if (j.method == method && it != (j.*figures).end()) out.push_back(mean_of(it->second));
  }
  return out;
}

}  // namespace smug
