// Q-networks in files: float32 tensors in safetensors. Needs nlohmann-json.
//
//   Tensors are named as the leaves of QNetwork; metadata: "format" is "tenzo.q.1", "environment" its name, "widths"
//   with commas between them, "norm" and "dueling" 0 or 1.
#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tenzo/io/safetensors.hpp"
#include "tenzo/io/safetensors_writer.hpp"
#include "tenzo/rl/q_network.hpp"

namespace tenzo::rl {

inline constexpr std::string_view q_format = "tenzo.q.1";

/// Writes a network. The same network gives the same bytes.
inline void save_q(const std::string& path, const QNetwork<Tensor<float>>& q, const std::string& environment) {
  std::vector<TensorSpec> specs;
  std::vector<Tensor<float>> leaves;
  for_each_leaf(
      [&](const Path& at, const Tensor<float>& v) {
        specs.push_back({at.str(), DType::f32, v.shape()});
        leaves.push_back(v);
      },
      q);
  std::string widths;
  for (const std::int64_t w : q.config.widths) widths += cat(widths.empty() ? "" : ",", w);
  write_safetensors(path,
                    {{"format", std::string(q_format)},
                     {"environment", environment},
                     {"widths", widths},
                     {"norm", q.config.norm ? "1" : "0"},
                     {"dueling", q.config.dueling ? "1" : "0"}},
                    specs, [&](std::size_t i) { return StoredTensor::from(leaves[i]); });
}

/// Reads a network.   Throws FileError where the file is none, or not one for this environment.
inline QNetwork<Tensor<float>> load_q(const std::string& path, const std::string& environment) {
  const SafetensorsFile file = SafetensorsFile::open(path);
  const auto noted = [&](const std::string& key) {
    const auto it = file.metadata().find(key);
    return it == file.metadata().end() ? std::string() : it->second;
  };
  if (noted("format") != q_format)
    throw FileError(path, -1, cat("is no q-network: the format is ", printable(noted("format"))));
  if (noted("environment") != environment)
    throw FileError(path, -1, cat("is for ", printable(noted("environment")), "; want ", environment));
  QNetworkConfig c{.widths = {}, .norm = noted("norm") == "1", .dueling = noted("dueling") == "1"};
  const std::string widths = noted("widths");
  for (std::size_t at = 0; at <= widths.size();) {
    const std::size_t end = std::min(widths.find(',', at), widths.size());
    std::int64_t w = 0;
    const auto [last, error] = std::from_chars(widths.data() + at, widths.data() + end, w);
    if (error != std::errc() || last != widths.data() + end || w < 1 || w > 1 << 20)
      throw FileError(path, -1, cat("its widths are ", printable(widths)));
    c.widths.push_back(w);
    at = end + 1;
  }
  if (c.widths.size() < 2) throw FileError(path, -1, cat("its widths are ", printable(widths)));
  const auto stored = load_tree<QNetwork>(
      q_network_spec(c), [&](const std::string& name) { return file.tensors().find(name); }, path);
  return map_tree<Tensor<float>>(stored, [&](const Path& leaf, const StoredTensor& t) {
    if (t.dtype() != DType::f32)
      throw FileError(path, -1, cat(printable(leaf.str()), " is of ", t.dtype(), "; want f32"));
    const Tensor<float> v = t.to<float>();
    for (const float x : v.values())
      if (!std::isfinite(x)) throw FileError(path, -1, cat(printable(leaf.str()), " holds ", x));
    return v;
  });
}

}  // namespace tenzo::rl
