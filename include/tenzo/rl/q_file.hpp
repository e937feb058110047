// Q-networks in files: float32 tensors in safetensors. Needs nlohmann-json.
//
//   Tensors are named as the leaves of QNetwork; metadata: "format" is "tenzo.q.1", "environment" its name, "widths"
//   with commas between them, "norm" and "dueling" 0 or 1.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

#include "tenzo/io/model_file.hpp"
#include "tenzo/rl/q_network.hpp"

namespace tenzo::rl {

inline constexpr std::string_view q_format = "tenzo.q.1";

/// Writes a network. The same network gives the same bytes.
inline void save_q(const std::string& path, const QNetwork<Tensor<float>>& q, const std::string& environment) {
  std::string widths;
  for (const std::int64_t w : q.config.widths) widths += cat(widths.empty() ? "" : ",", w);
  save_model(path, q,
             {{"format", std::string(q_format)},
              {"environment", environment},
              {"widths", widths},
              {"norm", q.config.norm ? "1" : "0"},
              {"dueling", q.config.dueling ? "1" : "0"}});
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
  return load_model<float>(q_network_spec(c), file, path);
}

}  // namespace tenzo::rl
