// The numbers of an optimizer's step, as its loops take them.
#pragma once

namespace tenzo {

/// g ← g + decay θ;  m ← mu m + g;  θ ← θ − rate (m, or g + mu m where `ahead`).
template <class T>
struct MomentumUpdate {
  T rate, mu, decay;
  bool ahead;
};

/// m ← b1 m + c1 g;  v ← b2 v + c2 g²;  θ ← θ − (mean_scale m / (√v root_scale + eps) + decay θ).
template <class T>
struct AdamUpdate {
  T b1, c1, b2, c2, mean_scale, root_scale, eps, decay;
};

}  // namespace tenzo
