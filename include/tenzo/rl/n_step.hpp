// Transitions of several steps: rewards are seen sooner where actions were good.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tenzo/core/error.hpp"

namespace tenzo::rl {

/// Joins the steps of one environment to transitions of up to n:
///   (s₀, a₀) → R = Σ_{k<m} γᵏ r_k, discount γᵐ, s_m, with m = n, or fewer where the episode ends before;
///   the discount is 0 where it was terminated, γᵐ where it was cut off.
///   Source  Sutton 1988; as in Hessel et al. 2018.
class NStep {
 public:
  /// The steps that wait for those to come: what a run needs to go on.
  struct Waiting {
    std::vector<float> observation{};    // (count, size)
    std::vector<float> reward{};         // (count)
    std::vector<std::int32_t> action{};  // (count)

    static void fields(auto&& f, auto& w) {
      f("observation", w.observation), f("reward", w.reward), f("action", w.action);
    }
  };

  /// Throws ValueError unless n >= 1 and gamma is in [0, 1].
  NStep(std::int64_t n, double gamma, std::int64_t size) : n_(n), size_(size), gamma_(gamma) {
    require(n >= 1 && n <= 1 << 16, "n-step: ", n, " steps");
    require(gamma >= 0 && gamma <= 1, "n-step: a discount of ", gamma, "; want 0 to 1");
  }

  const Waiting& waiting() const { return now_; }
  /// Throws ValueError where the numbers do not fit.
  void restore(Waiting w) {
    require(w.observation.size() == w.reward.size() * std::size_t(size_) && w.action.size() == w.reward.size() &&
                std::int64_t(w.reward.size()) < n_,
            "n-step: ", w.reward.size(), " steps wait, ", w.observation.size(), " numbers of size ", size_);
    now_ = std::move(w);
  }

  /// Takes a step, and gives put(observation, action, reward, discount, next) what is complete with it.
  template <class Put>
  void add(const float* observation, std::int32_t action, float reward, bool terminated, bool truncated,
           const float* next, Put&& put) {
    now_.observation.insert(now_.observation.end(), observation, observation + size_);
    now_.action.push_back(action), now_.reward.push_back(reward);
    const bool end = terminated || truncated;
    while (!now_.reward.empty() && (end || std::int64_t(now_.reward.size()) == n_)) {
      double total = 0, discount = 1;
      for (const float r : now_.reward) total += discount * double(r), discount *= gamma_;
      put(now_.observation.data(), now_.action.front(), float(total), terminated ? 0.f : float(discount), next);
      now_.observation.erase(now_.observation.begin(), now_.observation.begin() + std::ptrdiff_t(size_));
      now_.reward.erase(now_.reward.begin()), now_.action.erase(now_.action.begin());
    }
  }

 private:
  std::int64_t n_, size_;
  double gamma_;
  Waiting now_;
};

}  // namespace tenzo::rl
