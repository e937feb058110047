// Memory of a training step by method and scheme: predicted from sizes, and measured in a process of its own.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "options.hpp"
#include "scoring.hpp"

namespace zo_llm {

struct MemoryCase {
  std::string method = "zo-sgd", scheme = "full";  // or the method inference: a forward pass that scores
  std::int64_t batch = 16, length = 32;
};

/// Bytes beside the program's own: weights, what the optimizer remembers between steps, gradients and activations
/// (zo-llm section 2.7).
///   Forward passes keep one block's activations at a time, two sides for a two-sided probe: 2 h + 2 f numbers a token
///   and side, h the hidden and f the feed-forward width. Back-propagation keeps 4 h + 2 q + 2 kv + 3 f of each block
///   that it goes through, and frees them as it makes the gradients: the larger of the two counts.
struct MemoryEstimate {
  double weights = 0, state = 0;
  double gradients = 0;  // of the trained weights
  double table = 0;      // the gradient of a tied embedding is two at its peak: one for each use
  double kept = 0;       // activations that wait for back-propagation
  double passing = 0;    // activations of a forward pass that keeps none

  double all_gradients() const { return gradients + table; }
  /// Activations beside the gradients, which take their place.
  double activations() const { return std::max(0.0, kept - gradients) + passing; }
  double total() const { return weights + state + all_gradients() + activations(); }
};
MemoryEstimate predict_memory(const Model& model, const std::string& dtype, const MemoryCase& c);

/// Peak resident bytes of a process that loads the model and takes two steps on random tokens.
///   Throws Error where the process fails.
std::int64_t measure_memory(const std::string& model, const std::string& dtype, int threads, const MemoryCase& c);

/// What that process does; prints its peak.
struct MemoryStep : Common {
  MemoryCase what;
};
int memory_step(const MemoryStep& o);

struct Memory : Common {
  std::int64_t batch = 16, length = 32;
  bool no_measure = false;
  std::string json;
};
int memory(const Memory& o);

}  // namespace zo_llm
