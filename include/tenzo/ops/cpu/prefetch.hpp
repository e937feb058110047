// Memory that a kernel will need soon, asked for a little at a time while it computes: what comes from beyond the
// second-level cache arrives in the shadow of the arithmetic.
#pragma once

#include <cstdint>
#include <vector>

namespace tenzo::cpu {

class Prefetch {
 public:
  /// `rows` runs of `n` elements, `stride` elements apart.
  template <class T>
  void add(const T* first, std::int64_t rows, std::int64_t n, std::int64_t stride) {
    const auto size = std::int64_t(sizeof(T));
    ranges_.push_back({reinterpret_cast<const char*>(first), rows, (n * size + 63) / 64, stride * size});
    lines_ += rows * ranges_.back().lines;
  }
  /// What was added is asked for by this many calls of `step`.
  void spread(std::int64_t steps) { part_ = steps > 0 ? (lines_ + steps - 1) / steps : 0; }
  void clear() {
    ranges_.clear();
    lines_ = part_ = range_ = row_ = line_ = 0;
  }

  /// Asks for the next part; to_write takes the lines for writing, into the nearest cache.
  template <bool to_write>
  void step() {
    for (std::int64_t i = 0; i < part_ && range_ < std::int64_t(ranges_.size()); ++i) {
      const Range& r = ranges_[std::size_t(range_)];
      const char* p = r.first + row_ * r.stride + 64 * line_;
      if constexpr (to_write) __builtin_prefetch(p, 1, 3);
      else __builtin_prefetch(p, 0, 2);
      if (++line_ == r.lines) line_ = 0, ++row_;
      if (row_ == r.rows) row_ = 0, ++range_;
    }
  }

 private:
  struct Range {
    const char* first;
    std::int64_t rows, lines, stride;
  };
  std::vector<Range> ranges_;
  std::int64_t lines_ = 0, part_ = 0, range_ = 0, row_ = 0, line_ = 0;
};

}  // namespace tenzo::cpu
