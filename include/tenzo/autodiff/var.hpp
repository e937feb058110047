// Recorded variables: reverse-mode differentiation.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "tenzo/ops/arithmetic.hpp"
#include "tenzo/ops/value.hpp"

namespace tenzo {

template <class V>
class Tape;

/// A value that remembers on which tape it was computed; without a tape it is a constant.
///   It must not outlive its tape.
template <class V>
struct Var {
  V value;
  Tape<V>* tape = nullptr;
  std::uint32_t id = 0;

  bool defined() const { return value.defined(); }
  const Shape& shape() const { return value.shape(); }
};

/// The list of what was computed, in order; owned by the call that differentiates.
///   The order is topological, so one loop from the back is the whole backward pass: no recursion, no sorting.
template <class V>
class Tape {
 public:
  /// Cotangents by id; an undefined one is zero.
  class Cotangents {
   public:
    explicit Cotangents(std::size_t n) : by_id_(n) {}
    void add(std::uint32_t id, V g) {
      if (!g.defined()) return;
      if (by_id_[id].defined()) add_to(by_id_[id], g);
      else by_id_[id] = std::move(g);
    }
    V take(std::uint32_t id) { return std::exchange(by_id_[id], V{}); }

   private:
    std::vector<V> by_id_;
  };

  struct Record {
    virtual ~Record() = default;
    /// Takes the cotangents of the outputs and adds those of the inputs.
    virtual void pull(Cotangents& g) const = 0;
  };

  Tape() = default;
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;
  ~Tape() {
    while (!records_.empty()) records_.pop_back();
  }

  /// A variable that is differentiated by.
  Var<V> leaf(V value) { return {std::move(value), this, next_id_++}; }

  std::uint32_t new_ids(std::uint32_t n) { return std::exchange(next_id_, next_id_ + n); }
  void push(std::unique_ptr<Record> r) { records_.push_back(std::move(r)); }
  std::size_t size() const { return records_.size(); }

  /// Cotangents of nothing yet, to add those of results to.
  Cotangents cotangents() const { return Cotangents(next_id_); }

  /// Hands cotangents back through everything recorded, which stays for the next time.
  void pull_back(Cotangents& g) const {
    for (auto r = records_.rbegin(); r != records_.rend(); ++r) (*r)->pull(g);
  }

  /// Cotangents of everything recorded for the cotangent `seed` of `y`; the records are freed on the way.
  Cotangents backward(const Var<V>& y, V seed) {
    Cotangents g = cotangents();
    if (y.tape == this) g.add(y.id, std::move(seed));
    while (!records_.empty()) {
      records_.back()->pull(g);
      records_.pop_back();
    }
    return g;
  }

 private:
  std::vector<std::unique_ptr<Record>> records_;
  std::uint32_t next_id_ = 0;
};

namespace detail {

/// Which inputs and outputs a primitive's rules read; all, where it does not say.
template <class P>
constexpr bool reads_input(std::size_t i) {
  if constexpr (requires { P::reads_inputs; }) return P::reads_inputs[i];
  else return true;
}
template <class P>
constexpr bool reads_output(std::size_t k) {
  if constexpr (requires { P::reads_outputs; }) return P::reads_outputs[k];
  else return true;
}

/// One application of a primitive.
template <class P, class V>
struct Applied final : Tape<V>::Record {
  P p;
  Values<V, P::inputs> x;
  Values<V, P::outputs> y;
  Values<bool, P::inputs> need{};
  Values<std::uint32_t, P::inputs> from{};
  std::uint32_t to = 0;

  explicit Applied(const P& primitive) : p(primitive) {}

  void pull(typename Tape<V>::Cotangents& g) const override {
    Values<V, P::outputs> gy;
    bool any = false;
    for (std::size_t k = 0; k < P::outputs; ++k) {
      gy[k] = g.take(to + std::uint32_t(k));
      any = any || gy[k].defined();
    }
    if (!any) return;
    Values<V, P::inputs> gx = p.vjp(x, y, gy, need);
    for (std::size_t i = 0; i < P::inputs; ++i)
      if (need[i]) g.add(from[i], std::move(gx[i]));
  }
};

}  // namespace detail

template <class V>
struct Level<Var<V>> {
  static constexpr int depth = Level<V>::depth + 1;
  using scalar = scalar_t<V>;
  using plain = plain_t<V>;
  static const plain& core(const Var<V>& v) { return tenzo::plain(v.value); }

  template <Value U>
  static Var<V> lift(const U& u) {
    return {tenzo::lift<V>(u)};
  }

  template <class P, std::size_t N>
  static Values<Var<V>, P::outputs> apply(const P& p, const Values<Var<V>, N>& x) {
    Tape<V>* tape = nullptr;
    for (const Var<V>& v : x) {
      if (!v.tape) continue;
      if (tape && tape != v.tape) throw Error(cat(P::name, ": operands of two different tapes"));
      tape = v.tape;
    }
    constexpr bool composed = Composite<P, Var<V>, N> && depth > 1;
    if constexpr (composed) {
      if (tape) return p.compose(x);
    }
    Values<V, N> value;
    for (std::size_t i = 0; i < N; ++i) value[i] = x[i].value;
    Values<V, P::outputs> y = dispatch<P, V>(p, value);
    Values<Var<V>, P::outputs> out;
    for (std::size_t k = 0; k < P::outputs; ++k) out[k].value = y[k];
    if constexpr (!composed) {
      if (!tape) return out;
      auto record = std::make_unique<detail::Applied<P, V>>(p);
      for (std::size_t i = 0; i < N; ++i) {
        record->need[i] = x[i].tape != nullptr;
        record->from[i] = x[i].id;
        if (detail::reads_input<P>(i)) record->x[i] = std::move(value[i]);
      }
      record->to = tape->new_ids(std::uint32_t(P::outputs));
      for (std::size_t k = 0; k < P::outputs; ++k) {
        if (detail::reads_output<P>(k)) record->y[k] = std::move(y[k]);
        out[k].tape = tape;
        out[k].id = record->to + std::uint32_t(k);
      }
      tape->push(std::move(record));
    }
    return out;
  }
};

}  // namespace tenzo
