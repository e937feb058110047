// Which tokens begin a text: a sorted list of ids that is searched byte by byte, like a trie without nodes.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "tenzo/io/tokenizer/vocabulary.hpp"

namespace tenzo::text {

/// Some tokens of a vocabulary in the order of their bytes. 4 bytes a token.
class PrefixIndex {
 public:
  PrefixIndex() = default;

  PrefixIndex(const Vocabulary& vocabulary, std::vector<std::int32_t> ids) : sorted_(std::move(ids)) {
    std::erase_if(sorted_, [&](std::int32_t id) { return vocabulary.token(id).empty(); });
    std::sort(sorted_.begin(), sorted_.end(), [&](std::int32_t a, std::int32_t b) {
      const auto s = vocabulary.token(a), t = vocabulary.token(b);
      return s != t ? s < t : a < b;
    });
    std::int32_t at = 0;
    for (std::size_t byte = 0; byte < 256; ++byte) {
      begins_[byte] = at;
      while (at < std::int32_t(sorted_.size()) && first_byte(vocabulary, at) <= byte) ++at;
    }
    begins_[256] = at;
  }

  /// Calls f(id, size) for the tokens that begin the text, from short to long. O(size of the longest · log n).
  template <class F>
  void for_each_prefix(const Vocabulary& vocabulary, std::string_view text, F&& f) const {
    if (text.empty() || sorted_.empty()) return;
    const auto first = static_cast<unsigned char>(text[0]);
    auto low = sorted_.begin() + begins_[first], high = sorted_.begin() + begins_[first + 1u];
    for (std::size_t size = 1; low != high; ++size) {
      for (; low != high && vocabulary.token(*low).size() == size; ++low) f(*low, size);
      if (size == text.size()) return;
      const auto byte = static_cast<unsigned char>(text[size]);
      if (low == high) return;
      const auto byte_of = [&](std::int32_t id) { return static_cast<unsigned char>(vocabulary.token(id)[size]); };
      if (byte_of(*low) == byte && byte_of(high[-1]) == byte) continue;
      low = std::partition_point(low, high, [&](std::int32_t id) { return byte_of(id) < byte; });
      high = std::partition_point(low, high, [&](std::int32_t id) { return byte_of(id) <= byte; });
    }
  }

  bool any_begins_with(char byte) const {
    const std::size_t b = static_cast<unsigned char>(byte);
    return begins_[b] < begins_[b + 1];
  }

  bool empty() const { return sorted_.empty(); }
  std::size_t memory() const { return sorted_.capacity() * sizeof(sorted_[0]); }

 private:
  std::size_t first_byte(const Vocabulary& vocabulary, std::int32_t at) const {
    return static_cast<unsigned char>(vocabulary.token(sorted_[std::size_t(at)])[0]);
  }

  std::vector<std::int32_t> sorted_;
  std::array<std::int32_t, 257> begins_{};  // those whose first byte is b: begins_[b] … begins_[b + 1]
};

}  // namespace tenzo::text
