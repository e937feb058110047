// The methods that are compared: how each is trained from the vanilla network's weights, and how it reconstructs.
#pragma once

#include <string>
#include <vector>

#include "options.hpp"
#include "tenzo/mri/losses.hpp"

namespace smug {

/// What a network is drawn to.
enum class Loss {
  truth,      // ‖f_θ − t‖² of the reconstruction, whatever mean is in it
  each,       // E ‖f_θ(noisy) − t‖², sample by sample, of an end-to-end mean
  vanilla,    // E ‖f_θ(noisy) − f_θ0(clean)‖², θ0 the weights that training begins with
  stability,  // ℓ_U + ‖f_θ − t‖²
  denoiser    // E ‖D_θ(t + η) − t‖², not unrolled
};

struct Method {
  std::string name;
  std::string from = "vanilla";  // whose weights training begins with; "fresh": new ones
  tenzo::mri::Smoothing smoothing = tenzo::mri::Smoothing::none;
  Loss loss = Loss::truth;
  bool weighted = false, adversarial = false;
  int samples = 0;    // of a training step; 0: as many as the run has
  double longer = 1;  // training steps, in those of the others
  double sigma = 0;   // 0: the run's
  double lr_factor = 1;
  bool ablation = false;  // shown under perturbations of 20 % alone, and under few other conditions
  bool headline = false;  // of --quick, too; in --full, on its first seed, under the papers' own attacks
  bool once = false;      // trained for the first seed of a study alone
};

/// A name's method; the first is "vanilla", which all others come from. Throws ValueError for names that are none.
Method method_named(const std::string& name);
/// Those of a run's first seed, or of its others, in the order of its tables.
std::vector<std::string> methods_of(bool full, bool first = true);
/// Every name that there is.
std::vector<std::string> all_methods();

}  // namespace smug
