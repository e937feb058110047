// tokenizer.json as a tree, but with its long lists, the vocabulary and the merges, in compact arrays.
#pragma once

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tenzo/core/error.hpp"
#include "tenzo/io/byte_reader.hpp"
#include "tenzo/io/json.hpp"
#include "tenzo/io/mapped_file.hpp"

namespace tenzo::text {

using Json = nlohmann::json;

/// What a tokenizer.json, or a vocab.json, says.
struct TokenizerJson {
  struct Token {
    std::uint32_t begin, size;
    std::int32_t id;
    double score;
  };
  struct Merge {
    std::uint32_t begin, left, right;  // where it begins, sizes of its two parts
  };

  Json tree;                  // all but the lists
  std::string bytes;          // of the tokens and the merges
  std::vector<Token> tokens;  // in the file's order
  std::vector<Merge> merges;

  std::string_view token(const Token& t) const { return std::string_view(bytes).substr(t.begin, t.size); }
  std::string_view left(const Merge& m) const { return std::string_view(bytes).substr(m.begin, m.left); }
  std::string_view right(const Merge& m) const { return std::string_view(bytes).substr(m.begin + m.left, m.right); }
};

namespace detail {

/// The score that the reference reads where a correct reader reads x: the digits as an integer, times or over a power
/// of ten, which may be an ulp off. Between cuts of equal scores (… against . .. and .. .) such an ulp decides.
inline double score_as_read(double x) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, std::abs(x), std::chars_format::scientific).ptr;
  std::uint64_t digits = 0;
  int power = 0;
  const char* at = text;
  for (bool fraction = false; at != end && *at != 'e'; ++at) {
    if (*at == '.') {
      fraction = true;
      continue;
    }
    digits = 10 * digits + std::uint64_t(*at - '0');
    power -= fraction;
  }
  int exponent = 0;
  if (at != end) std::from_chars(at + (at[1] == '+' ? 2 : 1), end, exponent);
  power += exponent;
  constexpr int exact = 22;  // powers of ten up to here are doubles
  if (power < -exact || power > exact) return x;
  double scale = 1;
  for (int i = 0; i < std::abs(power); ++i) scale *= 10;
  return std::copysign(power < 0 ? double(digits) / scale : double(digits) * scale, x);
}

/// Takes the events of the lists out of the parser's stream; all others make the tree.
class TokenizerJsonFilter {
 public:
  /// `in_model`: the lists stand under "model"; else the whole file is the vocabulary, an object.
  TokenizerJsonFilter(TokenizerJson& out, bool in_model) : out_(out), list_depth_(in_model ? 2 : 0) {
    if (!in_model) list_ = List::vocabulary;
  }

  /// Whether the parser keeps what it has just read.
  bool operator()(int depth, Json::parse_event_t event, Json& value) {
    using E = Json::parse_event_t;
    require(depth <= deepest_json, "is nested deeper than ", deepest_json, " levels");
    if (list_ != List::none && depth > list_depth_) return take(depth - list_depth_, event, value);
    if (event == E::key && depth == 1) {
      in_model_ = value == "model";
      list_ = List::none;
    } else if (event == E::key && depth == 2) {
      list_ = !in_model_          ? List::none
              : value == "vocab"  ? List::vocabulary
              : value == "merges" ? List::merges
                                  : List::none;
    }
    return true;
  }

 private:
  enum class List { none, vocabulary, merges };

  /// An event inside a list, at depth 1 for its items. A key that is not kept takes its value with it.
  bool take(int depth, Json::parse_event_t event, Json& value) {
    using E = Json::parse_event_t;
    switch (event) {
      case E::key:
        require(depth == 1 && list_ == List::vocabulary, name(), ": an object where none belongs");
        begin_ = put(value);
        has_key_ = true;
        return false;
      case E::array_start:
        require(depth == 1 && !has_key_, name(), ": a list where none belongs");
        items_ = 0;
        return true;
      case E::array_end: require(items_ == 2, name(), ": an item of ", items_, " values; want 2"); return false;
      case E::value:
        list_ == List::merges ? take_merge(depth, value) : take_token(depth, value);
        return depth == 1 && list_ == List::vocabulary;  // its key is gone already
      case E::object_start:
      case E::object_end: break;
    }
    throw ValueError(cat(name(), ": an object where none belongs"));
  }

  /// "token": id, or ["token", score].
  void take_token(int depth, const Json& value) {
    if (depth == 1) {
      require(has_key_ && value.is_number_unsigned() && value.get<std::uint64_t>() <= INT32_MAX, name(), ": ",
              printable(value.dump()), " where the id of a token belongs");
      has_key_ = false;
      add_token(value.get<std::int32_t>(), 0);
    } else if (items_++ == 0) {
      begin_ = put(value);
    } else {
      require(items_ == 2 && value.is_number(), name(), ": want pairs of a token and a number");
      add_token(std::int32_t(out_.tokens.size()), score_as_read(value.get<double>()));
    }
  }

  /// "left right", or ["left", "right"].
  void take_merge(int depth, const Json& value) {
    if (depth == 1) {
      const std::uint32_t begin = put(value);
      const auto rule = std::string_view(out_.bytes).substr(begin);
      const std::size_t space = rule.find(' ');
      require(space != std::string_view::npos && rule.find(' ', space + 1) == std::string_view::npos, name(), ": ",
              printable(rule), " is not two tokens with a space between");
      const auto left = std::uint32_t(space), right = std::uint32_t(rule.size() - space - 1);
      out_.bytes.erase(begin + space, 1);
      out_.merges.push_back({begin, left, right});
    } else if (items_++ == 0) {
      begin_ = put(value);
      left_ = std::uint32_t(out_.bytes.size()) - begin_;
    } else {
      put(value);
      out_.merges.push_back({begin_, left_, std::uint32_t(out_.bytes.size()) - begin_ - left_});
    }
  }

  /// Appends a string; returns where it begins.
  std::uint32_t put(const Json& value) {
    require(value.is_string(), name(), ": ", printable(value.dump()), " where a string belongs");
    const auto begin = std::uint32_t(out_.bytes.size());
    out_.bytes += value.get_ref<const std::string&>();
    require(out_.bytes.size() < UINT32_MAX, name(), ": more than 4 GiB of strings");
    return begin;
  }

  void add_token(std::int32_t id, double score) {
    out_.tokens.push_back({begin_, std::uint32_t(out_.bytes.size()) - begin_, id, score});
  }

  std::string_view name() const { return list_ == List::merges ? "merges" : "vocabulary"; }

  TokenizerJson& out_;
  int list_depth_;
  List list_ = List::none;
  bool in_model_ = false;
  std::uint32_t begin_ = 0, left_ = 0;
  int items_ = 0;         // of the pair that is being read
  bool has_key_ = false;  // of a token whose id comes next
};

}  // namespace detail

/// Runs `read` on a JSON text; what is wrong with it is a FileError of the path, with the byte where the parser knows
/// it.
template <class Read>
auto reading_json(const std::string& path, Read&& read) {
  try {
    return read();
  } catch (const Json::parse_error& e) {
    throw FileError(path, std::int64_t(e.byte), "is no valid JSON");
  } catch (const Json::out_of_range&) {
    throw FileError(path, -1, "holds a number out of range");
  } catch (const Json::exception& e) {
    throw FileError(path, -1, e.what());
  } catch (const ValueError& e) {
    throw FileError(path, -1, e.what());
  }
}

/// Parses the bytes of a tokenizer.json (`in_model`) or of a vocab.json. Throws what `reading_json` turns into
/// FileError.
inline TokenizerJson parse_tokenizer_json(std::string_view bytes, bool in_model) {
  TokenizerJson out;
  detail::TokenizerJsonFilter filter(out, in_model);
  out.tree = Json::parse(bytes.begin(), bytes.end(), std::ref(filter));
  require(out.tree.is_object(), "is JSON, but not an object");
  return out;
}

inline std::string_view characters_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

}  // namespace tenzo::text
