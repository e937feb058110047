// What is known of the operators without any training: adjoints, solvers, derivatives.
#pragma once

#include <nlohmann/json.hpp>

namespace smug {

/// Relative differences between what has to be equal.
struct OperatorErrors {
  double adjoint = 0, adjoint_float = 0;  // |⟨A x, y⟩ − ⟨x, Aᴴ y⟩| / (‖A x‖ ‖y‖), in double and in float
  double solvers = 0;                     // conjugate gradients beside the exact rows
  double derivatives = 0;                 // vector-Jacobian products beside central differences, the largest of all

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(OperatorErrors, adjoint, adjoint_float, solvers, derivatives)
};

OperatorErrors operator_errors();

}  // namespace smug
