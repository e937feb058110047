// Replay: transitions in a ring, drawn uniformly or by priority.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "tenzo/core/error.hpp"
#include "tenzo/rl/draw.hpp"
#include "tenzo/rl/sum_tree.hpp"
#include "tenzo/rl/td.hpp"

namespace tenzo::rl {

/// Proportional prioritisation: P(i) ∝ (|error| + floor)^alpha, and weights (n P(i))^-beta divided by the largest of a
/// batch.   Source  Schaul et al. 2016.
struct Priorities {
  double alpha = 0.6;
  double floor = 1e-6;
};

/// A batch of its own memory.
struct Sampled {
  std::vector<float> observation, next, reward, discount, weight;
  std::vector<std::int32_t> action;
  std::vector<std::int64_t> row;  // where in the replay

  Batch batch() const { return {observation, next, action, reward, discount, weight}; }
};

/// The last `capacity` transitions, as a structure of arrays.
///   Stored  float; std::uint8_t for observations of whole numbers below 256, which then take a quarter of the memory
template <class Stored = float>
class Replay {
 public:
  /// All that there is, in the order of the ring.
  struct Contents {
    std::vector<Stored> observation{}, next{};  // (capacity, size)
    std::vector<float> reward{}, discount{};    // (capacity)
    std::vector<std::int32_t> action{};         // (capacity)
    std::vector<double> priority{};             // (capacity), empty without priorities
    std::int64_t added = 0;
    double largest = 1;  // priority of a new transition
  };

  /// Throws ValueError for a capacity or size below one, or exponents that are negative.
  Replay(std::int64_t capacity, std::int64_t size, std::optional<Priorities> priorities = {})
      : capacity_(capacity), size_(size), priorities_(priorities) {
    require(capacity >= 1 && size >= 1 && size <= (std::int64_t(1) << 40) / capacity, "replay: ", capacity,
            " transitions of observations of size ", size);
    all_.observation.resize(std::size_t(capacity * size));
    all_.next.resize(std::size_t(capacity * size));
    all_.reward.resize(std::size_t(capacity)), all_.discount.resize(std::size_t(capacity));
    all_.action.resize(std::size_t(capacity));
    if (priorities_) {
      require(priorities_->alpha >= 0 && priorities_->floor > 0, "replay: priorities with alpha ", priorities_->alpha,
              " and floor ", priorities_->floor);
      tree_.emplace(capacity);
    }
  }

  std::int64_t capacity() const { return capacity_; }
  std::int64_t size() const { return std::min(all_.added, capacity_); }
  bool prioritized() const { return bool(tree_); }

  /// Replaces the oldest transition where the ring is full.
  void add(const float* observation, std::int32_t action, float reward, float discount, const float* next) {
    const std::int64_t at = all_.added % capacity_;
    put(observation, all_.observation, at), put(next, all_.next, at);
    const auto i = std::size_t(at);
    all_.action[i] = action, all_.reward[i] = reward, all_.discount[i] = discount;
    ++all_.added;
    if (tree_) tree_->set(at, all_.largest);
  }

  /// n transitions with replacement. The same draw from the same contents gives the same.
  ///   beta  exponent of the weights, with priorities; without, weights stay empty
  ///   Throws ValueError where there is none.
  void sample(std::int64_t n, const Draw& draw, Sampled& to, double beta = 1) const {
    require(size() > 0 && n >= 0, "replay: ", n, " of ", size(), " transitions");
    const auto count = std::size_t(n);
    to.row.resize(count);
    PhiloxBlock words{};
    for (std::size_t i = 0; i < count; ++i) {
      if (!tree_) {
        if (i % 4 == 0) words = draw.block(std::uint32_t(i / 4));
        to.row[i] = std::int64_t(below(std::uint32_t(size()), words[i % 4]));
        continue;
      }
      if (i % 2 == 0) words = draw.block(std::uint32_t(i / 2));  // one of each n-th of the mass, by 48 bits
      const double u = double(std::uint64_t(words[i % 2 * 2]) << 16 | words[i % 2 * 2 + 1] >> 16) * 0x1p-48;
      to.row[i] = tree_->find((double(i) + u) / double(n) * tree_->total());
    }
    to.observation.resize(count * std::size_t(size_)), to.next.resize(count * std::size_t(size_));
    to.action.resize(count), to.reward.resize(count), to.discount.resize(count);
    to.weight.resize(tree_ ? count : 0);
    double largest = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const auto row = std::size_t(to.row[i]);
      get(all_.observation, to.row[i], to.observation.data() + i * std::size_t(size_));
      get(all_.next, to.row[i], to.next.data() + i * std::size_t(size_));
      to.action[i] = all_.action[row], to.reward[i] = all_.reward[row], to.discount[i] = all_.discount[row];
      if (!tree_) continue;
      const double w = std::pow(double(size()) * (*tree_)[to.row[i]] / tree_->total(), -beta);
      to.weight[i] = float(w);
      largest = std::max(largest, w);
    }
    for (float& w : to.weight) w = float(double(w) / largest);
  }

  /// New priorities of what was sampled, from the errors that it had. Without priorities nothing.
  void prioritize(std::span<const std::int64_t> rows, std::span<const float> errors) {
    if (!tree_) return;
    expect(rows.size() == errors.size(), "replay: ", errors.size(), " errors of ", rows.size(), " transitions");
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const double p = std::pow(std::abs(double(errors[i])) + priorities_->floor, priorities_->alpha);
      tree_->set(rows[i], p);
      all_.largest = std::max(all_.largest, p);
    }
  }

  Contents contents() const {
    Contents c = all_;
    if (tree_)
      for (std::int64_t i = 0; i < capacity_; ++i) c.priority.push_back((*tree_)[i]);
    return c;
  }
  /// Throws ValueError where the contents are those of another replay.
  void restore(Contents c) {
    const auto n = std::size_t(capacity_);
    require(c.observation.size() == all_.observation.size() && c.next.size() == all_.next.size() &&
                c.reward.size() == n && c.discount.size() == n && c.action.size() == n &&
                c.priority.size() == (tree_ ? n : 0) && c.added >= 0 && c.largest > 0 && std::isfinite(c.largest),
            "replay: contents of ", c.reward.size(), " transitions; want ", n);
    if (tree_)
      for (std::int64_t i = 0; i < capacity_; ++i) tree_->set(i, c.priority[std::size_t(i)]);
    c.priority.clear();
    all_ = std::move(c);
  }

 private:
  void put(const float* from, std::vector<Stored>& to, std::int64_t row) const {
    Stored* const at = to.data() + row * size_;
    for (std::int64_t i = 0; i < size_; ++i) at[i] = Stored(from[i]);
  }
  void get(const std::vector<Stored>& from, std::int64_t row, float* to) const {
    const Stored* const at = from.data() + row * size_;
    for (std::int64_t i = 0; i < size_; ++i) to[i] = float(at[i]);
  }

  std::int64_t capacity_, size_;
  std::optional<Priorities> priorities_;
  Contents all_;
  std::optional<SumTree> tree_;
};

}  // namespace tenzo::rl
