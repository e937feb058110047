#include "commands.hpp"

#include <charconv>
#include <cstdio>
#include <map>
#include <type_traits>

#include "study.hpp"
#include "tenzo/io/outputs.hpp"
#include "tenzo/io/safetensors.hpp"
#include "tenzo/mri/metrics.hpp"
#include "tenzo/stats/interval.hpp"

namespace smug {

using namespace tenzo;

namespace {

Sizes sizes_of(const Train& o) {
  Sizes s;
  s.width = o.width, s.coils = o.coils, s.channels = o.channels, s.steps = o.steps;
  s.acceleration = o.acceleration, s.sigma = o.sigma, s.samples = s.judged_samples = o.samples;
  s.base_steps = o.iterations, s.tuning_steps = o.tuning;
  s.base_lr = o.lr, s.tuning_lr = o.tuning_lr;
  return s;
}

double mean_psnr(const F& x, const F& truth) {
  std::vector<double> all;
  for (std::int64_t i = 0; i < truth.dim(0); ++i)
    all.push_back(mri::complex_psnr(x.rows(i, i + 1).reshaped(truth.shape().without(0)),
                                    truth.rows(i, i + 1).reshaped(truth.shape().without(0))));
  return mean_of(all);
}

}  // namespace

int train(const Train& o) {
  const Method m = method_named(o.method);
  check_outputs({o.data}, {o.save});
  const Sizes s = sizes_of(o);
  const auto scans = load_scans(o, s);
  const auto lab = make_lab(o.denoiser, o.device, s);
  std::printf("%s\n", scans->description(o.seed).c_str());
  std::vector<Method> chain{m};
  while (chain.back().from != "fresh") chain.push_back(method_named(chain.back().from));
  for (auto each = chain.rbegin(); each != chain.rend(); ++each) {
    const Training t = lab->train(*each, *scans, o.seed);
    std::printf("%-20s loss %.3g -> %.3g, %.1f s\n", each->name.c_str(), t.losses.front(), t.losses.back(), t.seconds);
    std::fflush(stdout);
  }
  lab->save(m.name, o.save);
  const Acquisition a = scans->judged(o.seed, s.acceleration);
  const F x = lab->reconstruct(m.name, how_of(m, s), a.solver, a.zero_filled(), {.seed = o.seed, .images = a.ids});
  std::printf("zero-filled %.2f dB, %s %.2f dB on %lld slices\nnetwork: %s\n", mean_psnr(a.zero_filled(), a.truth),
              m.name.c_str(), mean_psnr(x, a.truth), static_cast<long long>(a.truth.dim(0)), o.save.c_str());
  return 0;
}

namespace {

/// What the network's file says of how it was made, where the command line says nothing else.
///   Throws  FileError where it says what can not be.
Attack as_made(Attack o) {
  const std::map<std::string, std::string> said = SafetensorsFile::open(o.model).metadata();
  const auto take = [&]<class V>(const char* name, V& to) {
    const auto it = said.find(name);
    if (it == said.end() || o.given.count(name)) return;
    if constexpr (std::is_same_v<V, std::string>) {
      to = it->second;
    } else {
      const std::string& text = it->second;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), to);
      if (error != std::errc() || end != text.data() + text.size() || !(to >= 0))
        throw FileError(o.model, -1, cat("its ", name, " is ", printable(text)));
    }
  };
  take("method", o.method), take("denoiser", o.denoiser), take("acceleration", o.acceleration);
  take("sigma", o.sigma), take("samples", o.samples), take("steps", o.steps);
  take("width", o.width), take("coils", o.coils), take("channels", o.channels);
  return o;
}

}  // namespace

int attack(const Attack& given) {
  const Attack o = as_made(given);
  const Method m = method_named(o.method);
  require(o.domain == "kspace" || o.domain == "image", "--domain ", o.domain, "; want kspace or image");
  require(o.norm == "l2" || o.norm == "linf", "--norm ", o.norm, "; want l2 or linf");
  const Sizes s = sizes_of(o);
  const auto lab = make_lab(o.denoiser, o.device, s);
  lab->load(m.name, o.model);
  const auto scans = load_scans(o, s);
  const Acquisition a = scans->judged(o.seed, s.acceleration);
  const bool kspace = o.domain == "kspace", l2 = o.norm == "l2";
  const F at = kspace ? a.kspace : clamp(a.zero_filled(), -1, 1);
  const How how = how_of(m, s);
  const mri::SmoothingNoise judged{.seed = o.seed + 1000003, .images = a.ids};
  tenzo::attack::Threat threat{.norm = l2 ? tenzo::attack::Norm::l2 : tenzo::attack::Norm::linf,
                               .eps = l2 ? mri::relative_radii(at, o.eps) : std::vector<double>{o.eps}};
  if (!kspace) threat.low = -1, threat.high = 1;
  const mri::AttackOptions options{.domain = kspace ? mri::AttackDomain::kspace : mri::AttackDomain::image,
                                   .gradient = o.masked ? mri::AttackGradient::masked : mri::AttackGradient::adaptive,
                                   .threat = threat,
                                   .pgd = {.steps = o.iterations_of_attack,
                                           .step = l2 ? 0.25 : 1.0 / 3,
                                           .restarts = o.restarts,
                                           .draws = o.draws,
                                           .seed = o.seed}};
  const F delta = lab->attack(m.name, how, a.solver, at, a.truth, options, {.seed = o.seed + 2000003, .images = a.ids});
  const auto judge = [&](const F& where) {
    const F z = kspace ? a.encoding().adjoint(where) : where;
    return mean_psnr(lab->reconstruct(m.name, how, a.solver, z, judged), a.truth);
  };
  std::printf("%s: clean %.2f dB, attacked %.2f dB (%s, %s, eps %g, %s gradient, %d steps)\n", m.name.c_str(),
              judge(at), judge(add(at, delta)), o.domain.c_str(), o.norm.c_str(), o.eps,
              o.masked ? "masked" : "adaptive", o.iterations_of_attack);
  return 0;
}

}  // namespace smug
