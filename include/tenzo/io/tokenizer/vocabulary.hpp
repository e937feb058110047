// Tokens by id and ids by token: one block of bytes, one table of places, one hash table of ids.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tenzo/core/compiled.hpp"
#include "tenzo/core/error.hpp"

namespace tenzo::text {

namespace detail {

/// Spreads 64 bits over a word whose high bits are good for a table.
inline std::uint64_t mixed(std::uint64_t x) {
  x = (x ^ x >> 32) * 0x9e3779b97f4a7c15u;
  return x ^ x >> 29;
}

inline std::uint64_t hash_of(std::string_view s) {
  std::uint64_t h = s.size();
  for (; s.size() >= 8; s.remove_prefix(8)) {
    std::uint64_t word;
    std::memcpy(&word, s.data(), 8);
    h = mixed(h ^ word) * 0xd6e8feb86659fd93u;
  }
  for (const char c : s) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return mixed(h);
}

/// Number of slots for n entries: a power of two, at most three quarters full.
inline std::size_t slots_for(std::size_t n) {
  std::size_t slots = 16;
  while (slots / 4 * 3 < n) slots *= 2;
  return slots;
}

}  // namespace detail

/// Strings with the ids 0 … n − 1.
///   Memory  the strings, 4 bytes a string, and 4 bytes a slot of the hash table (at most 2.7 slots a string).
///   An empty string is the place of an id without a token: it has no id. Of equal strings the last has the id.
class Vocabulary {
 public:
  static constexpr std::size_t largest = std::size_t(1) << 24;  // of all ids; known vocabularies are below 2¹⁹

  Vocabulary() = default;

  /// Throws ValueError where the strings take 4 GiB or more, or are more than `largest`.
  TENZO_COMPILED explicit Vocabulary(std::span<const std::string_view> tokens);

  int size() const { return int(ends_.size()); }

  bool holds(int id) const { return id >= 0 && id < size(); }

  /// Empty where there is no such id.
  std::string_view token(int id) const {
    if (!holds(id)) return {};
    const std::uint32_t begin = id == 0 ? 0 : ends_[std::size_t(id) - 1];
    return std::string_view(bytes_).substr(begin, ends_[std::size_t(id)] - begin);
  }

  /// Id of a token, −1 if there is none.
  int id(std::string_view token) const { return slots_.empty() ? -1 : *slot_of(token); }

  std::size_t memory() const {
    return bytes_.capacity() + ends_.capacity() * sizeof(ends_[0]) + slots_.capacity() * sizeof(slots_[0]);
  }

 private:
  /// The slot that holds the token, or the free one where it belongs.
  const std::int32_t* slot_of(std::string_view wanted) const {
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t i = detail::hash_of(wanted) >> 20 & mask;; i = (i + 1) & mask)
      if (slots_[i] < 0 || token(slots_[i]) == wanted) return &slots_[i];
  }
  std::int32_t* slot_of(std::string_view wanted) {
    return const_cast<std::int32_t*>(std::as_const(*this).slot_of(wanted));
  }

  std::string bytes_;                // all tokens, one after another
  std::vector<std::uint32_t> ends_;  // ends_[id] is where token id ends
  std::vector<std::int32_t> slots_;  // ids, −1 where free
};

#if TENZO_DEFINES(text)
TENZO_COMPILED Vocabulary::Vocabulary(std::span<const std::string_view> tokens) {
  require(tokens.size() <= largest, "vocabulary: ", tokens.size(), " tokens; at most ", largest, " are read");
  std::size_t total = 0;
  for (const auto token : tokens) total += token.size();
  require(total < UINT32_MAX, "vocabulary: its tokens take ", total, " bytes; less than 4 GiB are read");
  bytes_.reserve(total);
  ends_.reserve(tokens.size());
  for (const auto token : tokens) {
    bytes_.append(token);
    ends_.push_back(std::uint32_t(bytes_.size()));
  }
  slots_.assign(detail::slots_for(tokens.size()), -1);
  for (int id = 0; id < size(); ++id)
    if (!token(id).empty()) *slot_of(token(id)) = id;
}
#endif

}  // namespace tenzo::text
