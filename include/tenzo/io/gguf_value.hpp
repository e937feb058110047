// The metadata of a GGUF file: keys with typed values, nested arrays among them.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "tenzo/core/compiled.hpp"
#include "tenzo/core/error.hpp"
#include "tenzo/io/byte_reader.hpp"

namespace tenzo {

/// Types of metadata values, by their numbers in the file.
enum class GgufType : std::uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, text, array, u64, i64, f64 };

namespace detail {

struct GgufTypeInfo {
  std::string_view name;
  std::uint64_t least_bytes;  // of an encoded value; its exact size but for text and array
};

inline constexpr GgufTypeInfo gguf_types[] = {{"u8", 1},  {"i8", 1},  {"u16", 2},  {"i16", 2},  {"u32", 4},
                                              {"i32", 4}, {"f32", 4}, {"bool", 1}, {"text", 8}, {"array", 12},
                                              {"u64", 8}, {"i64", 8}, {"f64", 8}};

template <class T>
constexpr GgufType gguf_type_of() {
  if constexpr (std::same_as<T, bool>) return GgufType::boolean;
  else if constexpr (std::floating_point<T>) return sizeof(T) == 4 ? GgufType::f32 : GgufType::f64;
  else {
    constexpr bool s = std::is_signed_v<T>;
    switch (sizeof(T)) {
      case 1: return s ? GgufType::i8 : GgufType::u8;
      case 2: return s ? GgufType::i16 : GgufType::u16;
      case 4: return s ? GgufType::i32 : GgufType::u32;
      default: return s ? GgufType::i64 : GgufType::u64;
    }
  }
}

template <class T>
concept GgufNumber = (std::integral<T> && !std::same_as<T, char>) || std::same_as<T, float> || std::same_as<T, double>;

template <class T>
T load_as(const std::byte* p) {
  T x;
  std::memcpy(&x, p, sizeof(T));
  return x;
}

TENZO_COMPILED void append(std::vector<std::byte>& out, std::span<const std::byte> bytes);

#if TENZO_DEFINES(files)
TENZO_COMPILED void append(std::vector<std::byte>& out, std::span<const std::byte> bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}
#endif
template <GgufNumber T>
void append(std::vector<std::byte>& out, T x) {
  append(out, std::as_bytes(std::span(&x, 1)));
}
inline void append(std::vector<std::byte>& out, std::string_view text) {
  append(out, std::uint64_t(text.size()));
  append(out, std::as_bytes(std::span(text)));
}

}  // namespace detail

inline std::string_view type_name(GgufType t) { return detail::gguf_types[std::size_t(t)].name; }

/// One value: its type and its bytes as the file holds them.
///   A value of a mapped file points into the mapping, so a vocabulary of 50,000 texts takes no memory of its own; the
///   handle keeps what it points into alive. Getters throw ValueError where the type is another one.
class GgufValue {
 public:
  template <detail::GgufNumber T>
  GgufValue(T x) : type_(detail::gguf_type_of<T>()) {
    own([&](auto& out) { detail::append(out, x); });
  }
  GgufValue(std::string_view x) : type_(GgufType::text) {
    own([&](auto& out) { detail::append(out, x); });
  }
  GgufValue(const char* x) : GgufValue(std::string_view(x)) {}
  GgufValue(const std::string& x) : GgufValue(std::string_view(x)) {}

  /// An array of numbers or of texts.
  template <class T>
  requires(detail::GgufNumber<T> || std::convertible_to<T, std::string_view>) static GgufValue
      array(const std::vector<T>& items) {
    constexpr bool number = detail::GgufNumber<T>;
    GgufValue v;
    v.own([&](auto& out) {
      if constexpr (number) header(out, detail::gguf_type_of<T>(), items.size());
      else header(out, GgufType::text, items.size());
      for (const auto& x : items) {
        if constexpr (number) detail::append(out, static_cast<T>(x));
        else detail::append(out, std::string_view(x));
      }
    });
    return v;
  }
  /// An array of values of one type, arrays among them. Throws ValueError where the types differ.
  static GgufValue array_of(GgufType element, const std::vector<GgufValue>& items) {
    GgufValue v;
    v.own([&](auto& out) {
      header(out, element, items.size());
      for (const GgufValue& x : items) {
        require(x.type_ == element, "gguf: a value of type ", type_name(x.type_), " in an array of ",
                type_name(element));
        detail::append(out, x.bytes_);
      }
    });
    return v;
  }

  /// The value of a type at the reader's position, checked to its end. `keep` owns the reader's bytes.
  ///   Time and memory are bounded by the bytes that are there; arrays nest at most 16 deep.
  TENZO_COMPILED static GgufValue read(ByteReader& in, GgufType type, std::shared_ptr<const void> keep);
  /// A type's number in the file.
  static GgufType read_type(ByteReader& in, std::string_view what) {
    const std::uint64_t at = in.position();
    const auto t = in.number<std::uint32_t>(what);
    if (t >= std::size(detail::gguf_types)) in.fail(at, what, " is ", t, "; known are 0 to 12");
    return GgufType(t);
  }

  GgufType type() const { return type_; }
  std::span<const std::byte> bytes() const { return bytes_; }

  /// A whole number of any of the integer types.
  std::int64_t integer() const {
    const std::byte* p = bytes_.data();
    switch (type_) {
      case GgufType::u8: return detail::load_as<std::uint8_t>(p);
      case GgufType::i8: return detail::load_as<std::int8_t>(p);
      case GgufType::u16: return detail::load_as<std::uint16_t>(p);
      case GgufType::i16: return detail::load_as<std::int16_t>(p);
      case GgufType::u32: return detail::load_as<std::uint32_t>(p);
      case GgufType::i32: return detail::load_as<std::int32_t>(p);
      case GgufType::i64: return detail::load_as<std::int64_t>(p);
      case GgufType::u64: {
        const auto u = detail::load_as<std::uint64_t>(p);
        require(u <= std::uint64_t(std::numeric_limits<std::int64_t>::max()), "gguf: the value ", u, " is too large");
        return std::int64_t(u);
      }
      default: throw ValueError(cat("the value is of type ", type_name(type_), "; want an integer"));
    }
  }
  /// A number of any type.
  double number() const {
    switch (type_) {
      case GgufType::f32: return detail::load_as<float>(bytes_.data());
      case GgufType::f64: return detail::load_as<double>(bytes_.data());
      case GgufType::boolean:
      case GgufType::text:
      case GgufType::array: throw ValueError(cat("the value is of type ", type_name(type_), "; want a number"));
      default: return double(integer());
    }
  }
  bool boolean() const {
    want(GgufType::boolean);
    return bytes_[0] != std::byte{0};
  }
  /// Points into the value: valid as long as a handle to it.
  std::string_view text() const {
    want(GgufType::text);
    return {reinterpret_cast<const char*>(bytes_.data() + 8), bytes_.size() - 8};
  }

  /// Type and number of an array's items.
  GgufType element_type() const {
    want(GgufType::array);
    return GgufType(detail::load_as<std::uint32_t>(bytes_.data()));
  }
  std::int64_t count() const {
    want(GgufType::array);
    return detail::load_as<std::int64_t>(bytes_.data() + 4);
  }
  /// Calls f with each item of an array, in order; items share this value's bytes.
  template <class F>
  void for_each(F&& f) const {
    const GgufType t = element_type();
    ByteReader in(bytes_.subspan(12), "gguf value");
    for (std::int64_t i = 0, n = count(); i < n; ++i) f(read(in, t, keep_));
  }
  std::vector<std::string_view> texts() const {
    return list<std::string_view>([](const auto& v) { return v.text(); });
  }
  std::vector<std::int64_t> integers() const {
    return list<std::int64_t>([](const auto& v) { return v.integer(); });
  }
  std::vector<double> numbers() const {
    return list<double>([](const auto& v) { return v.number(); });
  }
  std::vector<GgufValue> items() const {
    return list<GgufValue>([](const auto& v) { return v; });
  }

  friend bool operator==(const GgufValue& a, const GgufValue& b) {
    return a.type_ == b.type_ && std::ranges::equal(a.bytes_, b.bytes_);
  }

 private:
  GgufValue() = default;

  template <class Fill>
  void own(Fill&& fill) {
    auto bytes = std::make_shared<std::vector<std::byte>>();
    fill(*bytes);
    bytes_ = *bytes;
    keep_ = std::move(bytes);
  }
  static void header(std::vector<std::byte>& out, GgufType element, std::size_t n) {
    detail::append(out, std::uint32_t(element));
    detail::append(out, std::uint64_t(n));
  }

  static void skip(ByteReader& in, GgufType type, int depth) {
    if (type == GgufType::text) in.text("a text value");
    else if (type == GgufType::array) {
      const std::uint64_t at = in.position();
      if (depth == 16) in.fail(at, "arrays are nested more than 16 deep");
      const GgufType element = read_type(in, "the type of an array's items");
      const auto n = in.number<std::uint64_t>("the length of an array");
      const std::uint64_t least = detail::gguf_types[std::size_t(element)].least_bytes;
      if (n > in.remaining() / least)
        in.fail(at, "an array of ", n, " items of type ", type_name(element), " does not fit: ", in.remaining(),
                " bytes are left");
      if (element == GgufType::text || element == GgufType::array)
        for (std::uint64_t i = 0; i < n; ++i) skip(in, element, depth + 1);
      else in.take(n * least, "an array");
    } else in.take(detail::gguf_types[std::size_t(type)].least_bytes, "a value");
  }

  void want(GgufType t) const {
    require(type_ == t, "the value is of type ", type_name(type_), "; want ", type_name(t));
  }
  template <class T, class F>
  std::vector<T> list(F&& get) const {
    std::vector<T> r;
    r.reserve(std::size_t(count()));
    for_each([&](const GgufValue& v) { r.push_back(get(v)); });
    return r;
  }

  GgufType type_ = GgufType::array;
  std::span<const std::byte> bytes_;
  std::shared_ptr<const void> keep_;
};

#if TENZO_DEFINES(files)
TENZO_COMPILED GgufValue GgufValue::read(ByteReader& in, GgufType type, std::shared_ptr<const void> keep) {
  GgufValue v;
  v.type_ = type;
  const std::uint64_t begin = in.position();
  skip(in, type, 0);
  v.bytes_ = in.since(begin);
  v.keep_ = std::move(keep);
  return v;
}
#endif

/// The keys of a file with their values, in the file's order.
class GgufMetadata {
 public:
  struct Entry {
    std::string key;
    GgufValue value;
  };

  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }
  std::size_t size() const { return entries_.size(); }

  /// The value of a key, or nullptr.
  const GgufValue* find(std::string_view key) const {
    const auto it = std::ranges::find(entries_, key, &Entry::key);
    return it == entries_.end() ? nullptr : &it->value;
  }
  /// Replaces a key's value at its place, or appends the key.
  void set(std::string_view key, GgufValue value) {
    const auto it = std::ranges::find(entries_, key, &Entry::key);
    if (it != entries_.end()) it->value = std::move(value);
    else append(std::string(key), std::move(value));
  }
  /// Appends a key that is known to be new; constant time.
  void append(std::string key, GgufValue value) { entries_.push_back({std::move(key), std::move(value)}); }
  void erase(std::string_view key) {
    std::erase_if(entries_, [&](const Entry& e) { return e.key == key; });
  }

 private:
  std::vector<Entry> entries_;
};

}  // namespace tenzo
