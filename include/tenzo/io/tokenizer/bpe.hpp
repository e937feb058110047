// Byte-pair encoding by a list of merges: byte-level (GPT-2 and most since) or by characters with a fallback to bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tenzo/core/error.hpp"
#include "tenzo/io/byte_reader.hpp"
#include "tenzo/io/tokenizer/byte_alphabet.hpp"
#include "tenzo/io/tokenizer/merge_loop.hpp"
#include "tenzo/io/tokenizer/vocabulary.hpp"

namespace tenzo::text {

/// Pairs of ids → the id of their join; a rule's rank is its place in the list.
///   Memory  12 bytes a rule and 4 bytes a slot of the hash table.
class MergeTable {
 public:
  void reserve(std::size_t rules) {
    rules_.reserve(rules);
    slots_.assign(detail::slots_for(rules), -1);
  }

  /// Appends the next rule. Of two rules for one pair the later counts.
  void add(std::int32_t left, std::int32_t right, std::int32_t joined) {
    if (rules_.size() >= slots_.size() / 4 * 3) grow();
    rules_.push_back({left, right, joined});
    slots_[slot_of(left, right)] = std::int32_t(rules_.size()) - 1;
  }

  Join find(std::int32_t left, std::int32_t right) const {
    if (slots_.empty()) return {};
    const std::int32_t rank = slots_[slot_of(left, right)];
    return rank < 0 ? Join{} : Join{std::uint32_t(rank), rules_[std::size_t(rank)].joined};
  }

  std::size_t size() const { return rules_.size(); }
  std::size_t memory() const { return rules_.capacity() * sizeof(Rule) + slots_.capacity() * sizeof(slots_[0]); }

 private:
  struct Rule {
    std::int32_t left, right, joined;
  };

  std::size_t slot_of(std::int32_t left, std::int32_t right) const {
    const std::size_t mask = slots_.size() - 1;
    const std::uint64_t key = std::uint64_t(std::uint32_t(left)) << 32 | std::uint32_t(right);
    for (std::size_t i = detail::mixed(key) >> 20 & mask;; i = (i + 1) & mask) {
      const std::int32_t rank = slots_[i];
      if (rank < 0) return i;
      if (const Rule& r = rules_[std::size_t(rank)]; r.left == left && r.right == right) return i;
    }
  }

  void grow() {
    slots_.assign(detail::slots_for(2 * rules_.size() + 1), -1);
    for (std::size_t i = 0; i < rules_.size(); ++i) slots_[slot_of(rules_[i].left, rules_[i].right)] = std::int32_t(i);
  }

  std::vector<Rule> rules_;
  std::vector<std::int32_t> slots_;  // ranks, −1 where free
};

/// Byte-pair encoding: a piece of text begins as its symbols (bytes or characters); of all neighbours that a rule
/// joins, those with the lowest rank are joined first.
///   Source  Sennrich, Haddow, Birch 2016; byte-level: Radford et al. 2019.
struct Bpe {
  MergeTable merges;
  std::array<std::int32_t, 256> byte_ids{};  // token of each byte, −1 if there is none
  std::int32_t unknown = -1;                 // for a character without a token; −1: it is left out
  bool byte_level = true;                    // symbols are bytes, written in the byte alphabet; else characters
  bool byte_fallback = false;                // a character without a token becomes the tokens <0x00> … of its bytes
  bool fuse_unknown = false;                 // neighbours that are unknown become one token
  bool whole_words = false;                  // a piece that is a token is not split, whatever the merges say

  void encode(const Vocabulary& vocabulary, std::string_view piece, MergeLoop& loop, std::vector<int>& ids) const {
    if (whole_words) {
      std::string word;
      byte_level ? append_in_byte_alphabet(word, piece) : void(word = piece);
      if (const int id = vocabulary.id(word); id >= 0) return ids.push_back(id);
    }
    loop.clear();
    byte_level ? push_bytes(piece, loop) : push_characters(vocabulary, piece, loop);
    loop.run([&](const Symbol& l, const Symbol& r) { return merges.find(l.id, r.id); });
    loop.for_each([&](const Symbol& s) { ids.push_back(s.id); });
  }

  /// Sets `byte_ids` from a vocabulary: by the byte alphabet, or by the names <0x00> … <0xFF>.
  void find_bytes(const Vocabulary& vocabulary) {
    for (std::size_t b = 0; b < 256; ++b) {
      std::string name;
      if (byte_level) {
        append_utf8(name, byte_alphabet[b]);
      } else {
        constexpr char digit[] = "0123456789ABCDEF";
        name = {'<', '0', 'x', digit[b / 16], digit[b % 16], '>'};
      }
      byte_ids[b] = vocabulary.id(name);
    }
  }

 private:
  std::int32_t id_of(char byte) const { return byte_ids[static_cast<unsigned char>(byte)]; }

  void push_bytes(std::string_view piece, MergeLoop& loop) const {
    for (const char b : piece) {
      const std::int32_t id = id_of(b) >= 0 ? id_of(b) : unknown;
      if (id >= 0) loop.push(id, 1);
    }
  }

  void push_characters(const Vocabulary& vocabulary, std::string_view piece, MergeLoop& loop) const {
    std::int32_t unknown_bytes = 0;
    const auto push_unknown = [&] {
      if (unknown_bytes > 0) loop.push(unknown, unknown_bytes);
      unknown_bytes = 0;
    };
    for_each_character(piece, [&](char32_t, std::string_view c) {
      if (const int id = vocabulary.id(c); id >= 0) {
        push_unknown();
        return loop.push(id, std::int32_t(c.size()));
      }
      if (byte_fallback && has_all_bytes(c)) {
        push_unknown();
        for (const char b : c) loop.push(id_of(b), 1);
        return;
      }
      if (unknown < 0) return;
      if (!fuse_unknown) push_unknown();
      unknown_bytes += std::int32_t(c.size());
    });
    push_unknown();
  }

  bool has_all_bytes(std::string_view c) const {
    for (const char b : c)
      if (id_of(b) < 0) return false;
    return true;
  }
};

/// Appends a rule given as strings. Throws ValueError where its parts or their join are not in the vocabulary.
inline void add_merge(MergeTable& table, const Vocabulary& vocabulary, std::string_view left, std::string_view right) {
  const std::string joined = std::string(left).append(right);
  const int l = vocabulary.id(left), r = vocabulary.id(right), id = vocabulary.id(joined);
  require(l >= 0 && r >= 0 && id >= 0, "merge ", table.size(), ": ",
          printable(l < 0   ? left
                    : r < 0 ? right
                            : joined),
          " is not in the vocabulary");
  table.add(l, r, id);
}

/// Appends a rule written as "left right". Throws ValueError where there is no space inside, too.
inline void add_merge(MergeTable& table, const Vocabulary& vocabulary, std::string_view rule) {
  const std::size_t gap = rule.find(' ', 1);
  require(gap != std::string_view::npos && gap + 1 < rule.size(), "merge ", table.size(), ": ", printable(rule),
          " is not two tokens with a space between");
  add_merge(table, vocabulary, rule.substr(0, gap), rule.substr(gap + 1));
}

}  // namespace tenzo::text
