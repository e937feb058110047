// Prompts in files: float32 tensors in safetensors. Needs nlohmann-json.
//
//   "delta" and, where there is one, "factor"; metadata: "format" is "tenzo.prompt.1", "prompt" its name as
//   parse_prompt takes it, "channels", "image" and "input" its sizes, "at" the place of a random prompt, of others
//   "0,0"
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "tenzo/io/safetensors.hpp"
#include "tenzo/io/safetensors_writer.hpp"
#include "tenzo/prompt/visual_prompt.hpp"

namespace tenzo::prompt {

inline constexpr std::string_view prompt_format = "tenzo.prompt.1";

/// Writes a prompt. The same prompt and notes give the same bytes.
inline void save_prompt(const std::string& path, const VisualPrompt<Tensor<float>>& p,
                        std::map<std::string, std::string> notes = {}) {
  require(p.present(), "prompt: there is none to be written");
  std::vector<TensorSpec> specs;
  std::vector<Tensor<float>> leaves;
  for_each_leaf(
      [&](const Path& at, const Tensor<float>& v) {
        specs.push_back({at.str(), DType::f32, v.shape()});
        leaves.push_back(v);
      },
      p);
  notes["format"] = prompt_format;
  notes["prompt"] = text_of(p.config);
  notes["channels"] = std::to_string(p.config.channels);
  notes["image"] = std::to_string(p.config.image);
  notes["input"] = std::to_string(p.config.input);
  notes["at"] = cat(p.at.h, ',', p.at.w);
  write_safetensors(path, notes, specs, [&](std::size_t i) { return StoredTensor::from(leaves[i]); });
}

/// Reads a prompt. Throws FileError where the file is none, or does not hold what its metadata say.
inline VisualPrompt<Tensor<float>> load_prompt(const std::string& path) {
  const SafetensorsFile file = SafetensorsFile::open(path);
  const auto noted = [&](const std::string& key) {
    const auto it = file.metadata().find(key);
    return it == file.metadata().end() ? std::string() : it->second;
  };
  if (noted("format") != prompt_format)
    throw FileError(path, -1, cat("is no prompt: the format is ", printable(noted("format"))));
  const auto number = [&](const std::string& key, std::string_view text) {
    std::int64_t x = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), x);
    if (error != std::errc() || end != text.data() + text.size() || x < 0 || x > 1 << 16)
      throw FileError(path, -1, cat("its ", key, " is ", printable(noted(key)), "; want a size"));
    return x;
  };
  const std::string at = noted("at");
  const std::size_t comma = std::min(at.find(','), at.size());
  const Size2 place{number("at", std::string_view(at).substr(0, comma)),
                    number("at", std::string_view(at).substr(std::min(comma + 1, at.size())))};
  VisualPrompt<Expected> spec;
  try {
    spec = prompt_spec(parse_prompt(noted("prompt"), number("channels", noted("channels")),
                                    number("image", noted("image")), number("input", noted("input"))));
  } catch (const ValueError& error) {
    throw FileError(path, -1, error.what());
  }
  const PromptConfig& c = spec.config;
  if (c.form == Form::random && std::max(place.h, place.w) > c.image - c.size)
    throw FileError(path, -1, cat("its place is ", at, ", beyond the image"));
  if (c.form != Form::random && !(place == Size2{}))
    throw FileError(path, -1, cat("its place is ", at, "; that of ", name_of(c.form), " is 0,0"));
  std::size_t used = 0;
  const auto stored = load_tree<VisualPrompt>(
      spec, [&](const std::string& name) { return ++used, file.tensors().find(name); }, path);
  if (used != file.tensors().size())
    throw FileError(path, -1, cat("has ", file.tensors().size(), " tensors; want ", used));
  auto p = map_tree<Tensor<float>>(stored, [&](const Path& leaf, const StoredTensor& t) {
    if (t.dtype() != DType::f32)
      throw FileError(path, -1, cat(printable(leaf.str()), " is of ", t.dtype(), "; want f32"));
    const Tensor<float> v = t.to<float>();
    for (const float x : v.values())
      if (!std::isfinite(x)) throw FileError(path, -1, cat(printable(leaf.str()), " holds ", x));
    return v;
  });
  p.at = place;
  return p;
}

}  // namespace tenzo::prompt
