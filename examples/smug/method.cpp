#include "method.hpp"

#include "tenzo/core/error.hpp"

namespace smug {

using tenzo::mri::Smoothing;

namespace {

const std::vector<Method>& table() {
  static const std::vector<Method> all = {
      {.name = "vanilla", .from = "fresh", .headline = true},
      {.name = "vanilla, longer", .ablation = true, .once = true},
      {.name = "RS-E2E", .smoothing = Smoothing::input, .loss = Loss::each, .headline = true},
      {.name = "RS-E2E, to vanilla",
       .smoothing = Smoothing::input,
       .loss = Loss::vanilla,
       .ablation = true,
       .once = true},
      {.name = "RS-E2E, k-space",
       .smoothing = Smoothing::measurements,
       .loss = Loss::each,
       .ablation = true,
       .once = true},
      {.name = "SMUG", .smoothing = Smoothing::denoiser, .headline = true},
      {.name = "SMUG, stability", .smoothing = Smoothing::denoiser, .loss = Loss::stability},
      {.name = "SMUGv0", .smoothing = Smoothing::step, .loss = Loss::stability, .ablation = true, .once = true},
      {.name = "weighted SMUG", .smoothing = Smoothing::denoiser, .weighted = true},
      {.name = "jittering", .smoothing = Smoothing::denoiser, .samples = 1, .longer = 2},
      {.name = "adversarial", .adversarial = true},
      {.name = "SMUG, σ 0.02", .smoothing = Smoothing::denoiser, .sigma = 0.02, .ablation = true},
      {.name = "SMUG, σ 0.1", .smoothing = Smoothing::denoiser, .sigma = 0.1, .ablation = true},
      {.name = "denoiser",
       .from = "fresh",
       .smoothing = Smoothing::denoiser,
       .loss = Loss::denoiser,
       .longer = 3,
       .ablation = true,
       .once = true},
      {.name = "SMUG, from denoiser",
       .from = "denoiser",
       .smoothing = Smoothing::denoiser,
       .loss = Loss::stability,
       .lr_factor = 0.3,
       .ablation = true,
       .once = true},
  };
  return all;
}

}  // namespace

Method method_named(const std::string& name) {
  for (const Method& m : table())
    if (m.name == name) return m;
  tenzo::require(false, "there is no method '", name, "'");
  return {};
}

std::vector<std::string> methods_of(bool full, bool first) {
  std::vector<std::string> names;
  for (const Method& m : table())
    if (full ? first || !m.once : m.headline) names.push_back(m.name);
  return names;
}

std::vector<std::string> all_methods() {
  std::vector<std::string> names;
  for (const Method& m : table()) names.push_back(m.name);
  return names;
}

}  // namespace smug
