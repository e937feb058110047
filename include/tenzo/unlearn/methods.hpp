// All methods of unlearning by name, behind one interface.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tenzo/unlearn/ascent.hpp"
#include "tenzo/unlearn/boundary.hpp"
#include "tenzo/unlearn/distillation.hpp"
#include "tenzo/unlearn/influence.hpp"
#include "tenzo/unlearn/last_layers.hpp"
#include "tenzo/unlearn/random_labels.hpp"
#include "tenzo/unlearn/retraining.hpp"

namespace tenzo::unlearn {

/// A method with its options.
using Method = std::variant<Retrain, FineTune, L1Sparse, ExactLast, ForgetLast, Scrub, RandomLabels, BoundaryShrink,
                            BoundaryExpand, SalUn, GradientAscent, GradientDifference, Influence, ReferenceGuided>;

/// All of them with the options that they begin with: retraining, the nine approximate ones of the comparison in the
/// paper, and others.
inline std::vector<Method> all_methods() {
  return {Retrain{},        FineTune{},           L1Sparse{},       ExactLast{},      ForgetLast{},
          Scrub{},          RandomLabels{},       BoundaryShrink{}, BoundaryExpand{}, SalUn{},
          GradientAscent{}, GradientDifference{}, Influence{},      ReferenceGuided{}};
}

inline std::string_view name_of(const Method& m) {
  return std::visit([](const auto& method) { return method.name; }, m);
}

/// Whether it trains the forget set to labels that are not its own.
inline bool relabels(const Method& m) {
  return std::visit([](const auto& method) { return method.relabels; }, m);
}

/// Whether it wants held-out samples in the request. Whoever judges it by samples among them measures how well it knows
/// them.
inline bool wants_held_out(const Method& m) { return std::holds_alternative<ReferenceGuided>(m); }

/// The method of this name. Throws ValueError for any other, with the list of names.
inline Method method_named(std::string_view name) {
  std::string names;
  for (const Method& m : all_methods()) {
    if (name_of(m) == name) return m;
    if (!names.empty()) names += ", ";
    names += name_of(m);
  }
  throw ValueError(cat("unlearn: no method ", printable(name), "; want one of ", names));
}

/// How it trains, to be changed; null where it does not train.
inline TrainOptions* training_of(Method& m) {
  return std::visit(
      [](auto& method) -> TrainOptions* {
        if constexpr (requires { method.train; }) return &method.train;
        else return nullptr;
      },
      m);
}

/// The model after unlearning.
///   Bits   a function of the method with its options and of the request; not of the number of threads.
///   Throws  ValueError for a request without samples to forget or to retain, or that names one out of range or twice.
template <Tree M, Real T>
M unlearned(const Method& m, const Request<M, T>& r) {
  return std::visit([&](const auto& method) { return method(r); }, m);
}

}  // namespace tenzo::unlearn
