// Writing safetensors. Needs nlohmann-json.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "tenzo/core/compiled.hpp"
#include "tenzo/core/error.hpp"
#include "tenzo/io/atomic_file.hpp"
#include "tenzo/io/safetensors.hpp"
#include "tenzo/io/tensor_writer.hpp"

namespace tenzo {

/// Writes a model. Tensors are sorted as the field's own writer does, the widest types first and then by name, which
/// keeps them aligned; each is asked of `source`, by its number in `specs`, when its turn comes. The same input gives
/// the same bytes. The file appears when it is complete.
///   Formats  f64, f32, f16, bf16; integers and bool where `source` gives that format already.
///   Throws ValueError for what the format can not hold, FileError where writing fails.
TENZO_COMPILED void write_safetensors(const std::string& path, const std::map<std::string, std::string>& metadata,
                                      const std::vector<TensorSpec>& specs, const TensorSource& source);

#if TENZO_DEFINES(json)
TENZO_COMPILED void write_safetensors(const std::string& path, const std::map<std::string, std::string>& metadata,
                                      const std::vector<TensorSpec>& specs, const TensorSource& source) {
  const auto rank_of = [&](std::size_t i) {
    const auto* type = std::ranges::find(detail::safetensors_types, specs[i].dtype, &detail::SafetensorsType::dtype);
    require(type != std::end(detail::safetensors_types), "safetensors: ", specs[i].name, " can not be stored as ",
            specs[i].dtype);
    return type - std::begin(detail::safetensors_types);
  };
  std::vector<std::size_t> order(specs.size());
  std::iota(order.begin(), order.end(), std::size_t(0));
  std::ranges::sort(order, [&](std::size_t a, std::size_t b) {
    const auto ra = rank_of(a), rb = rank_of(b);
    return ra != rb ? ra > rb : specs[a].name < specs[b].name;
  });

  std::string header = "{";
  const auto member = [&](const std::string& name) -> std::string& {
    try {
      return header += cat(header.size() > 1 ? "," : "", detail::Json(name).dump(), ':');
    } catch (const detail::Json::exception&) {
      throw ValueError(cat("safetensors: the name ", printable(name), " is not valid UTF-8"));
    }
  };
  if (!metadata.empty()) {
    try {
      member("__metadata__") += detail::Json(metadata).dump();
    } catch (const detail::Json::exception&) {
      throw ValueError("safetensors: the metadata are not valid UTF-8");
    }
  }
  std::int64_t offset = 0;
  for (std::size_t k = 0; k < order.size(); ++k) {
    const TensorSpec& s = specs[order[k]];
    require(s.name != "__metadata__" && (k == 0 || s.name != specs[order[k - 1]].name), "safetensors: the tensor name ",
            printable(s.name), " is reserved or comes twice");
    const std::int64_t end = offset + s.shape.numel() * dtype_info(s.dtype).bytes;
    member(s.name) +=
        cat("{\"dtype\":\"", detail::safetensors_types[rank_of(order[k])].name,
            "\",\"shape\":", detail::Json(std::vector<std::int64_t>(s.shape.begin(), s.shape.end())).dump(),
            ",\"data_offsets\":[", offset, ',', end, "]}");
    offset = end;
  }
  header += '}';
  header.resize((header.size() + 7) / 8 * 8, ' ');

  AtomicFile file(path);
  const auto length = std::uint64_t(header.size());
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(header);
  for (const std::size_t i : order) detail::write_tensor(file, specs[i], source(i));
  file.commit();
}
#endif

}  // namespace tenzo
