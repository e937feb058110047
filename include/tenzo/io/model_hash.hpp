// A fingerprint of a model: tells whether a log of a run belongs to this base.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "tenzo/core/hash.hpp"
#include "tenzo/core/stored_dtype.hpp"
#include "tenzo/io/named_tensors.hpp"

namespace tenzo {

/// XXH64 over the tensors in the order of their names (bytewise): for each the length of the name as u64, the name, the
/// same for the name of the format ("q4_1"), the rank and the extents as u64, and the bytes. So the order in the file,
/// its metadata and its container do not count. `done` is called with each part of the bytes that has been read, at
/// most 4 MiB, so that a mapped file can let go of it.
template <class Done>
std::uint64_t model_hash(const NamedTensors& tensors, Done&& done) {
  constexpr std::size_t most = std::size_t(4) << 20;
  Hash64 h;
  const auto text = [&](std::string_view t) {
    h.update(std::uint64_t(t.size()));
    h.update(t);
  };
  for (const std::size_t i : tensors.by_name()) {
    const StoredTensor& t = tensors[i].tensor;
    text(tensors[i].name);
    text(dtype_name(t.dtype()));
    h.update(std::uint64_t(t.shape().rank()));
    for (const std::int64_t n : t.shape()) h.update(std::uint64_t(n));
    for (auto rest = t.bytes(); !rest.empty();) {
      const auto part = rest.first(std::min(rest.size(), most));
      h.update(part);
      done(part);
      rest = rest.subspan(part.size());
    }
  }
  return h.value();
}
inline std::uint64_t model_hash(const NamedTensors& tensors) {
  return model_hash(tensors, [](std::span<const std::byte>) {});
}

}  // namespace tenzo
