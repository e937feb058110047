#include "study.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

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

mri::AttackOptions attack_options(const Acquisition& a, int percent, mri::AttackGradient gradient, int steps,
                                  std::uint64_t seed) {
  return {.gradient = gradient,
          .threat = {.eps = mri::relative_radii(a.kspace, percent / 100.0)},
          .pgd = {.steps = steps, .step = 0.25, .score_every = 5, .seed = seed}};
}

std::uint8_t grey(double v) { return std::uint8_t(std::lround(255 * std::clamp(v, 0.0, 1.0))); }

Picture picture_of(const F& magnitude, double brightness = 1) {
  Picture p{.width = magnitude.dim(-1)};
  for (const float v : magnitude.values()) p.pixels.push_back(grey(brightness * double(v)));
  return p;
}

}  // namespace

std::vector<int> strengths(bool full) { return full ? std::vector<int>{5, 10, 20} : std::vector<int>{20}; }

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

Judgement judge(const Lab& lab, const Scans& scans, const Method& m, const Sizes& s, std::uint64_t seed, bool full) {
  Judgement j{.method = m.name, .seed = seed};
  const Acquisition a = scans.judged(seed, s.acceleration);
  const How how = how_of(m, s);
  const auto noise = judging_noise(seed, a);
  const auto reconstructed = [&](const F& y) {
    return lab.reconstruct(m.name, how, a.solver, a.encoding().adjoint(y), noise);
  };

  const auto start = std::chrono::steady_clock::now();
  const F clean = reconstructed(a.kspace);
  j.seconds_per_image =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / double(a.truth.dim(0));
  note(j, "clean", clean, a.truth);
  for (std::int64_t i = 0; i < a.truth.dim(0); ++i) {
    const F got = complex_abs(one_of(clean, i)), want = complex_abs(one_of(a.truth, i));
    j.numbers["nmse"] += mri::nmse(got, want) / double(a.truth.dim(0));
    j.numbers["hfen"] += mri::hfen(got, want) / double(a.truth.dim(0));
  }

  for (const int percent : strengths(full)) {
    const auto radii = mri::relative_radii(a.kspace, percent / 100.0);
    note(j, cat("random ", percent),
         reconstructed(add(a.kspace, mri::random_perturbation(a.encoding(), a.kspace, radii, seed))), a.truth);
    for (const auto gradient : {mri::AttackGradient::adaptive, mri::AttackGradient::masked}) {
      const bool adaptive = gradient == mri::AttackGradient::adaptive;
      const F delta =
          lab.attack(m.name, how, a, attack_options(a, percent, gradient, 20, seed), attacking_noise(seed, a));
      const F attacked = add(a.kspace, delta);
      note(j, cat(adaptive ? "adaptive " : "masked ", percent), reconstructed(attacked), a.truth);
      if (adaptive) note(j, cat("zero-filled ", percent), a.encoding().adjoint(attacked), a.truth);
    }
  }
  if (full) {
    const F delta = lab.attack(m.name, how, a, attack_options(a, 20, mri::AttackGradient::adaptive, 50, seed),
                               attacking_noise(seed, a));
    note(j, "adaptive50 20", reconstructed(add(a.kspace, delta)), a.truth);
    const F z = clamp(a.zero_filled(), -1, 1);
    const F moved = lab.attack(m.name, how, a,
                               {.domain = mri::AttackDomain::image,
                                .gradient = mri::AttackGradient::masked,
                                .threat = {.norm = attack::Norm::linf, .eps = {2.0 / 255}},
                                .pgd = {.steps = 10, .step = 1.0 / 3, .score_every = 5, .seed = seed}},
                               attacking_noise(seed, a));
    note(j, "image", lab.reconstruct(m.name, how, a.solver, add(z, moved), noise), a.truth);
  }

  const F z = a.zero_filled();
  for (const int steps : depths(s)) {
    How deeper = how;
    deeper.steps = steps;
    note(j, cat("steps ", steps), steps == s.steps ? clean : lab.reconstruct(m.name, deeper, a.solver, z, noise),
         a.truth);
  }
  for (const int rate : rates()) {
    const Acquisition other = rate == s.acceleration ? a : scans.judged(seed, rate);
    note(j, cat("rate ", rate), lab.reconstruct(m.name, how, other.solver, other.zero_filled(), noise), other.truth);
  }
  if (const Acquisition far = scans.others(seed); far.truth.defined())
    note(j, "others", lab.reconstruct(m.name, how, far.solver, far.zero_filled(), judging_noise(seed, far)), far.truth);

  if (m.weighted) j.numbers["entropy"] = lab.weight_entropy(m.name, how, a, noise);
  if (m.name == "SMUG" && full)
    for (const int samples : {1, 2, 5, 10, 20, 40}) {
      How with = how;
      with.samples = samples;
      constexpr int draws = 6;
      std::vector<F> x;
      double psnr = 0;
      for (int d = 0; d < draws; ++d) {
        x.push_back(lab.reconstruct(m.name, with, a.solver, z, judging_noise(seed, a, std::uint32_t(d + 1))));
        Judgement scratch;
        note(scratch, "", x.back(), a.truth);
        psnr += mean_of(scratch.psnr[""]) / draws;
      }
      F mean = zeros_like(z);
      for (const F& each : x) axpy_(1.0 / draws, each, mean);
      double squares = 0;
      for (const F& each : x) squares += std::pow(norm(sub(each, mean)), 2);
      j.numbers[cat("samples ", samples)] = psnr;
      j.numbers[cat("spread ", samples)] = std::sqrt(squares / (draws - 1)) / norm(mean);
    }
  return j;
}

std::vector<Judgement> floors(const Scans& scans, const Sizes& s, std::uint64_t seed) {
  const Acquisition a = scans.judged(seed, s.acceleration);
  const F random =
      add(a.kspace, mri::random_perturbation(a.encoding(), a.kspace, mri::relative_radii(a.kspace, 0.2), seed));
  std::vector<Judgement> out;
  const auto add_floor = [&](const std::string& name, auto&& reconstruct) {
    Judgement j{.method = name, .seed = seed};
    note(j, "clean", reconstruct(a.encoding(), a.zero_filled()), a.truth);
    note(j, "random 20", reconstruct(a.encoding(), a.encoding().adjoint(random)), a.truth);
    for (const int rate : rates()) {
      const Acquisition other = scans.judged(seed, rate);
      note(j, cat("rate ", rate), reconstruct(other.encoding(), other.zero_filled()), other.truth);
    }
    if (const Acquisition far = scans.others(seed); far.truth.defined())
      note(j, "others", reconstruct(far.encoding(), far.zero_filled()), far.truth);
    out.push_back(std::move(j));
  };
  add_floor("zero-filled", [](const Encoding&, const F& z) { return z; });
  add_floor("CG-SENSE", [](const Encoding& e, const F& z) { return mri::cg_sense(e, z, 0.01); });
  add_floor("total variation", [](const Encoding& e, const F& z) {
    return mri::total_variation(e, z, {.weight = 2e-3, .iterations = 100});
  });
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
  const Acquisition a = scans.judged(seed, s.acceleration);
  const std::int64_t slice = a.truth.dim(0) / 2;
  const F truth = complex_abs(one_of(a.truth, slice));
  std::vector<PictureRow> out;
  for (const std::string condition : {"as measured", "random noise, 20 %", "worst case, 20 %"}) {
    PictureRow row{.name = condition, .notes = {"truth"}, .images = {picture_of(truth)}};
    row.errors.push_back(picture_of(zeros_like(truth)));
    const auto put = [&](const std::string& name, const F& x) {
      const F got = one_of(x, slice), magnitude = complex_abs(got);
      F error(truth.shape());
      for (std::int64_t i = 0; i < error.size(); ++i) error(i) = std::abs(magnitude(i) - truth(i));
      row.notes.push_back(cat(name, "|", mri::complex_psnr(got, one_of(a.truth, slice))));
      row.images.push_back(picture_of(magnitude));
      row.errors.push_back(picture_of(error, 5));
    };
    for (const std::string& name : methods) {
      const How how = how_of(method_named(name), s);
      F y = a.kspace;
      if (condition.starts_with("random"))
        y = add(y, mri::random_perturbation(a.encoding(), y, mri::relative_radii(y, 0.2), seed));
      if (condition.starts_with("worst"))
        y = add(y, lab.attack(name, how, a, attack_options(a, 20, mri::AttackGradient::adaptive, 20, seed),
                              attacking_noise(seed, a)));
      if (name == methods.front()) put("zero-filled", a.encoding().adjoint(y));
      put(name, lab.reconstruct(name, how, a.solver, a.encoding().adjoint(y), judging_noise(seed, a)));
    }
    out.push_back(std::move(row));
  }
  return out;
}

Intervals intervals(const Lab& lab, const Scans& scans, const std::string& method, const Sizes& s, std::uint64_t seed,
                    bool full) {
  const Acquisition a = scans.judged(seed, s.acceleration);
  const std::int64_t slice = a.truth.dim(0) / 2, c = a.encoding().coils(), w = scans.width();
  const How plainly{.smoothing = mri::Smoothing::none, .sigma = s.sigma, .samples = 1, .steps = s.steps};
  const Solver solver(a.encoding().maps.rank() == 4
                          ? a.encoding()
                          : mri::encoding(one_of(a.encoding().maps, slice), a.encoding().mask));
  const auto magnitudes = [&](const F& y) {  // (b, C, W, W, 2) -> (b, W, W)
    return complex_abs(lab.reconstruct(method, plainly, solver, solver.encoding().adjoint(y), {}));
  };
  Intervals out{.eps = 0.4 * s.sigma, .sigma = s.sigma, .alpha = 0.05, .samples = full ? 2000 : 600};
  const F y = one_of(a.kspace, slice);
  const auto found = smoothing::quantile_smoothed(
      magnitudes, smoothing::AdditiveNoise{.sigma = s.sigma}, y, {.seed = seed, .image = slice},
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

  // The median of other noise under perturbations of that length that were found on the network without noise.
  Acquisition one{solver, a.truth.rows(slice, slice + 1), y.reshaped({1, c, w, w, 2}), {a.ids[std::size_t(slice)]}};
  const F delta =
      lab.attack(method, plainly, one, {.threat = {.eps = {out.eps}}, .pgd = {.steps = 20, .step = 0.25, .seed = seed}},
                 attacking_noise(seed, one));
  const auto moved =
      smoothing::quantile_smoothed(magnitudes, smoothing::AdditiveNoise{.sigma = s.sigma}, add(y, one_of(delta, 0)),
                                   {.seed = seed, .image = slice, .phase = smoothing::Phase::attack},
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
                               const std::string& condition) {
  std::vector<double> out;
  for (const Judgement& j : all) {
    const auto it = j.psnr.find(condition);
    if (j.method == method && it != j.psnr.end()) out.push_back(mean_of(it->second));
  }
  return out;
}

}  // namespace smug
