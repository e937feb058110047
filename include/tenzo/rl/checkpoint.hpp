// Runs in files, to be gone on with: a state as safetensors. Needs nlohmann-json.
//
//   Every number and every list of a state is a tensor named as its fields() says, integers as I32, I64 or U8.
//   Metadata: "format" is "tenzo.run.1", "run" says of which run it is, "hash" is that of all tensors (model_hash, in
//   hex).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "tenzo/io/model_hash.hpp"
#include "tenzo/io/safetensors.hpp"
#include "tenzo/io/safetensors_writer.hpp"
#include "tenzo/ops/value.hpp"

namespace tenzo::rl {

inline constexpr std::string_view run_format = "tenzo.run.1";

namespace detail {

template <class T>
constexpr DType stored_type() {
  if constexpr (std::is_same_v<T, float>) return DType::f32;
  else if constexpr (std::is_same_v<T, double>) return DType::f64;
  else if constexpr (std::is_same_v<T, std::uint8_t>) return DType::u8;
  else if constexpr (sizeof(T) == 4) return DType::i32;
  else return DType::i64;
}

template <class T>
struct IsList : std::false_type {};
template <class T>
struct IsList<std::vector<T>> : std::true_type {};

/// Calls f(name, run of numbers) for all that a state holds, lists of parts by number.
template <class S, class F>
void for_each_run(const std::string& name, S& s, F&& f) {
  using T = std::remove_const_t<S>;
  if constexpr (std::is_arithmetic_v<T>) f(name, std::span<S>(&s, 1));
  else if constexpr (Value<T>) f(name, s.values());
  else if constexpr (IsList<T>::value) {
    if constexpr (std::is_arithmetic_v<typename T::value_type>) f(name, std::span(s));
    else
      for (std::size_t i = 0; i < s.size(); ++i) for_each_run(cat(name, '.', i), s[i], f);
  } else {
    T::fields([&](const char* part, auto& m) { for_each_run(name.empty() ? part : cat(name, '.', part), m, f); }, s);
  }
}

inline std::string hex(std::uint64_t x) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(x));
  return text;
}

}  // namespace detail

/// Writes a state. The file appears when it is complete: a crash leaves the one before.
///   run  what tells this run from others: options, as text
template <class S>
void save_run(const std::string& path, const S& state, const std::string& run) {
  std::vector<TensorSpec> specs;
  std::vector<NamedTensor> tensors;
  detail::for_each_run("", state, [&]<class T>(const std::string& name, std::span<const T> x) {
    const Shape shape{std::int64_t(x.size())};
    specs.push_back({name, detail::stored_type<T>(), shape});
    tensors.push_back({name, StoredTensor::view(detail::stored_type<T>(), shape, std::as_bytes(x), nullptr)});
  });
  const std::string hash = detail::hex(model_hash(NamedTensors(tensors)));
  write_safetensors(path, {{"format", std::string(run_format)}, {"run", run}, {"hash", hash}}, specs,
                    [&](std::size_t i) { return tensors[i].tensor; });
}

/// Reads a state into one that has its sizes already, but where lists of numbers may grow or shrink.
///   Throws  FileError where the file is no run, that of another run, or damaged.
template <class S>
void load_run(const std::string& path, S& state, const std::string& run) {
  const SafetensorsFile file = SafetensorsFile::open(path);
  const auto noted = [&](const std::string& key) {
    const auto it = file.metadata().find(key);
    return it == file.metadata().end() ? std::string() : it->second;
  };
  if (noted("format") != run_format)
    throw FileError(path, -1, cat("is no run: the format is ", printable(noted("format"))));
  if (noted("run") != run)
    throw FileError(path, -1, cat("is another run: ", one_line(noted("run"), 300), "; want ", one_line(run, 300)));
  if (noted("hash") != detail::hex(model_hash(file.tensors())))
    throw FileError(path, -1, "is damaged: its tensors have another hash than it says");
  std::size_t used = 0;
  const auto find = [&]<class T>(const std::string& name, std::type_identity<T>) -> const StoredTensor& {
    const StoredTensor* t = file.tensors().find(name);
    if (!t) throw FileError(path, -1, cat("has no tensor for '", name, "'"));
    if (t->dtype() != detail::stored_type<T>() || t->shape().rank() != 1)
      throw FileError(
          path, -1,
          cat("'", name, "' is of ", t->dtype(), ' ', t->shape(), "; want a list of ", detail::stored_type<T>()));
    ++used;
    return *t;
  };
  const auto read = [&]<class M>(const auto& self, const std::string& name, M& m) -> void {
    if constexpr (detail::IsList<M>::value) {
      using T = typename M::value_type;
      if constexpr (std::is_arithmetic_v<T>) {
        const StoredTensor& t = find(name, std::type_identity<T>{});
        m.resize(std::size_t(t.size()));
        if (t.size() > 0) std::memcpy(m.data(), t.bytes().data(), t.bytes().size());
      } else {
        for (std::size_t i = 0; i < m.size(); ++i) self(self, cat(name, '.', i), m[i]);
      }
    } else if constexpr (std::is_arithmetic_v<M> || Value<M>) {
      auto numbers = [&] {
        if constexpr (Value<M>) return m.values();
        else return std::span<M>(&m, 1);
      }();
      using T = typename decltype(numbers)::value_type;
      const StoredTensor& t = find(name, std::type_identity<T>{});
      if (t.size() != std::int64_t(numbers.size()))
        throw FileError(path, -1, cat("'", name, "' has ", t.size(), " numbers; want ", numbers.size()));
      std::memcpy(numbers.data(), t.bytes().data(), t.bytes().size());
    } else {
      M::fields([&](const char* part, auto& each) { self(self, name.empty() ? part : cat(name, '.', part), each); }, m);
    }
  };
  read(read, "", state);
  if (used != file.tensors().size())
    throw FileError(path, -1, cat("has ", file.tensors().size(), " tensors; want ", used));
}

}  // namespace tenzo::rl
