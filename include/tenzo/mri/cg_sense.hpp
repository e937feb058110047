// Reconstruction without learning: least squares with a small image.
#pragma once

#include "tenzo/mri/cg_solver.hpp"

namespace tenzo::mri {

/// argmin_x ‖A x − y‖² + λ ‖x‖² by conjugate gradients, of z = Aᴴ y: CG-SENSE.
///   Source  Pruessmann et al. 2001, "Advances in sensitivity encoding with arbitrary k-space trajectories".
template <Plain P>
P cg_sense(const Encoding<P>& e, const P& z, double lambda = 0.01, const LinearOptions& o = {.iterations = 30}) {
  return CgSolver<P>(e, o).solve(z, P::scalar(scalar_t<P>(lambda)));  // (n, H, W, 2) -> the same
}

}  // namespace tenzo::mri
