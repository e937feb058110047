// Noise on a GPU: matrices filled, weights moved along directions, norms, without ever storing a direction. Each has
// the bits of its namesake in core/random.hpp; kernels/noise.cuh defines them.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <memory>
#include <span>

#include "tenzo/core/dtype.hpp"
#include "tenzo/core/noise.hpp"
#include "tenzo/core/random.hpp"
#include "tenzo/cuda/device.hpp"

namespace tenzo::cuda {

/// A direction u on one matrix, as a kernel draws it, and how far to go along it on each side of a probe.
///   u = radius z mask, rounded after each product; z is noise of `law` and `key`,
///     or, with rank > 0, A Bᵀ / √rank for the noises A (rows, rank) of `key` and B (cols, rank) of `right`,
///     or, with element >= 0, the unit vector of that element.
struct DirectionTerm {
  NoiseKey key{};
  Law law = Law::normal;
  std::array<double, 2> factor{1, 1};
  float radius = 1;
  const std::uint8_t* mask = nullptr;  // a byte an element, in the GPU's memory; null: no mask
  int rank = 0;
  NoiseKey right{};
  std::int64_t element = -1;

  /// Whether u is noise of a law, element by element.
  bool is_plain() const { return rank == 0 && element < 0; }
};

/// Memory for terms as kernels read them, and what writes them there in the order of the stream.
template <std::same_as<Device> D>
std::shared_ptr<void> allocate_terms(D, std::int64_t size);
template <std::same_as<Device> D>
void write_terms(D, std::span<const DirectionTerm> terms, void* to);

/// Terms of normal or Rademacher noise in the GPU's memory: a graph that was recorded with them takes what was written
/// last.
///   Their keys name no tensor, and they have no masks: whoever uses them says both.
class TermBuffer {
 public:
  TermBuffer(Device device, std::int64_t size) : data_(allocate_terms(device, size)), size_(size) {}

  std::int64_t size() const { return size_; }
  const void* data() const { return data_.get(); }
  /// As many terms as there is room for, in the order of the stream.
  void write(std::span<const DirectionTerm> terms) {
    require(std::int64_t(terms.size()) == size_, "directions: ", terms.size(), " terms for a buffer of ", size_);
    write_terms(Device{}, terms, data_.get());
  }

 private:
  std::shared_ptr<void> data_;
  std::int64_t size_;
};

/// What a function takes where it takes directions: terms by value, or a buffer with the tensor's number and its mask.
struct Terms {
  std::span<const DirectionTerm> values;
  const TermBuffer* buffer = nullptr;
  std::uint32_t tensor = 0;
  const std::uint8_t* mask = nullptr;

  template <class R>
  requires std::convertible_to<const R&, std::span<const DirectionTerm>> Terms(const R& terms) : values(terms) {}
  Terms(const TermBuffer& b, std::uint32_t number, const std::uint8_t* m = nullptr)
      : buffer(&b), tensor(number), mask(m) {}

  std::int64_t size() const { return buffer ? buffer->size() : std::int64_t(values.size()); }
};

// ---- values --------------------------------------------------------------------------------------------------------

template <Real T>
void fill_rows(Device, Law law, const NoiseKey& key, std::int64_t cols, std::int64_t row, std::int64_t rows,
               std::int64_t col, std::int64_t n, T* out, std::int64_t ld);
template <Real T>
void fill_matrix(Device, Law law, const NoiseKey& key, std::int64_t rows, std::int64_t cols, T* out);
template <Real T>
void fill_uniform(Device, const NoiseKey& key, std::int64_t rows, std::int64_t cols, T low, T high, T* out);

/// out = u, row-major.
template <std::same_as<Device> D>
void write_direction(D, const DirectionTerm& u, std::int64_t rows, std::int64_t cols, float* out);

// ---- steps ---------------------------------------------------------------------------------------------------------

/// w ← w + Σ scale z, or from + that: one pass over memory, however many terms there are. `from` is apart from w, or w.
///   T = bfloat16: rounded stochastically after every term.
template <class T>
requires Real<T> || std::same_as<T, bfloat16>
void add_scaled_(Device, T* w, std::int64_t rows, std::int64_t cols, std::span<const NoiseTerm> terms,
                 const T* from = nullptr);

/// The same along any directions, with the first factor of each: w ← w + Σ factor[0] u. A buffer is for float.
template <Real T>
void add_directions_(Device, T* w, std::int64_t rows, std::int64_t cols, const Terms& terms, const T* from = nullptr);

// ---- norms ---------------------------------------------------------------------------------------------------------

/// Σ z², with the bits of the CPU: a sphere's radius, and so all of a run, is the same on both.
template <std::same_as<Device> D>
double squared_norm(D, Law law, const NoiseKey& key, std::int64_t rows, std::int64_t cols);

/// Σ u² in double, in a fixed order.
template <std::same_as<Device> D>
double squared_norm(D, const DirectionTerm& u, std::int64_t rows, std::int64_t cols);

}  // namespace tenzo::cuda
