// SentencePiece's table of character replacements ("precompiled charsmap"), as model files carry it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "tenzo/core/error.hpp"
#include "tenzo/io/tokenizer/pattern.hpp"
#include "tenzo/io/tokenizer/unicode.hpp"
#include "tenzo/io/tokenizer/utf8.hpp"

namespace tenzo::text {

/// A map from strings to their replacements: a double-array trie, then the replacements, each ended by a zero byte.
///   Layout  u32 size of the trie in bytes, its units of 32 bits, the replacements. All little-endian.
///   Unit    bits 0–7 label, bit 8 has a value, bits 10–30 offset (times 256 if bit 9 is set), bit 31 is a value.
///   Bytes   that are no UTF-8 become U+FFFD.
class Charsmap {
 public:
  /// How a place in the text is matched.
  enum Matching {
    longest,   // the longest key that begins there, as SentencePiece does
    clusters,  // by grapheme clusters as tokenizer.json files mean it: the shortest key that begins a cluster of less
               // than 6 bytes replaces the whole cluster; the others go character by character
  };

  Charsmap() = default;

  /// Throws ValueError where the trie does not fit into the table.
  explicit Charsmap(std::string table, Matching matching = longest) : table_(std::move(table)), matching_(matching) {
    require(table_.size() >= 4, "charsmap: ", table_.size(), " bytes; it begins with the 4 bytes of a size");
    units_ = word(0);
    require(units_ % 4 == 0 && units_ <= table_.size() - 4, "charsmap: its trie has ", units_, " bytes, the table ",
            table_.size());
    units_ /= 4;
  }

  void append_mapped(std::string_view text, std::string& out, std::size_t limit = SIZE_MAX) const {
    while (!text.empty()) {
      check_result(out.size(), limit);
      const std::size_t n = matching_ == longest ? append_longest(text, out) : append_cluster(text, out);
      text.remove_prefix(n);
    }
  }

 private:
  struct Found {
    std::size_t size;  // bytes of the key
    std::string_view by;
  };

  std::uint32_t word(std::size_t at) const {
    std::uint32_t w = 0;
    for (std::size_t i = 0; i < 4; ++i) w |= std::uint32_t(static_cast<unsigned char>(table_[at + i])) << 8 * i;
    return w;
  }
  std::uint32_t unit(std::size_t i) const { return word(4 + 4 * i); }

  std::string_view replacement(std::uint32_t at) const {
    const auto all = std::string_view(table_).substr(4 + 4 * units_);
    if (at >= all.size()) return {};
    return all.substr(at, std::min(all.find('\0', at), all.size()) - at);
  }

  /// The shortest or the longest key that begins the text.
  std::optional<Found> key_of(std::string_view text, bool want_longest) const {
    const auto offset = [](std::uint32_t u) { return std::size_t(u >> 10) << (u >> 6 & 8); };
    std::optional<Found> best;
    if (units_ == 0) return best;
    std::size_t at = offset(unit(0));
    for (std::size_t i = 0; i < text.size(); ++i) {
      const auto byte = static_cast<unsigned char>(text[i]);
      at ^= byte;
      if (at >= units_) break;
      const std::uint32_t u = unit(at);
      if ((u & 0x800000ffu) != byte) break;
      at ^= offset(u);
      if ((u >> 8 & 1) == 0) continue;
      if (at >= units_) break;
      best = Found{i + 1, replacement(unit(at) & 0x7fffffffu)};
      if (!want_longest) break;
    }
    return best;
  }

  static void append_character(std::string_view bytes, std::string& out) {
    append_utf8(out, first_character(bytes).code);
  }

  std::size_t append_longest(std::string_view text, std::string& out) const {
    if (const auto found = key_of(text, true)) {
      out.append(found->by);
      return found->size;
    }
    append_character(text, out);
    return std::size_t(first_character(text).size);
  }

  std::size_t append_cluster(std::string_view text, std::string& out) const {
    const auto cluster = text.substr(0, cluster_size(text));
    if (cluster.size() < 6) {
      if (const auto found = key_of(cluster, false)) {
        out.append(found->by);
        return cluster.size();
      }
    }
    for_each_character(cluster, [&](char32_t, std::string_view c) {
      if (const auto found = key_of(c, false)) return void(out.append(found->by));
      append_character(c, out);
    });
    return cluster.size();
  }

  /// Bytes of the first grapheme cluster, exact where it matters here, below 6 bytes: there is no place in them for two
  /// emoji, flags, jamo or Indic consonants.
  static std::size_t cluster_size(std::string_view text) {
    if (text.starts_with("\r\n")) return 2;
    std::size_t at = 0;
    Character c = first_character(text);
    const auto next = [&] {
      at += std::size_t(c.size);
      c = at < text.size() ? first_character(text.substr(at)) : Character{invalid_byte, 0};
    };
    const auto breaks = [&] { return is(c.code, control) && !is(c.code, extending | prepending); };
    while (is(c.code, prepending)) next();
    if (at > 0 && (c.size == 0 || breaks())) return at;
    const bool alone = breaks() || c.code == 0x2028 || c.code == 0x2029;
    next();
    while (!alone && is(c.code, extending)) next();
    return at;
  }

  std::string table_;
  std::size_t units_ = 0;
  Matching matching_ = longest;
};

}  // namespace tenzo::text
