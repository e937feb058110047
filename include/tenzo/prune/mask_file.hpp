// Masks in files: a bit a weight, in safetensors. Needs nlohmann-json.
//
//   a tensor U8 (⌈n / 8⌉) for each leaf that has a mask, under the leaf's name: weight i is bit i % 8, from the lowest,
//   of byte i / 8; the bits behind the last weight are zero
//   metadata: "format" is "tenzo.mask.1", and the shape of each leaf, "shape.NAME" is "64,3,3,3"
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tenzo/io/safetensors.hpp"
#include "tenzo/io/safetensors_writer.hpp"
#include "tenzo/prune/mask.hpp"

namespace tenzo::prune {

inline constexpr std::string_view mask_format = "tenzo.mask.1";

namespace detail {

inline std::string shape_list(const Shape& s) {
  std::string text;
  for (const std::int64_t n : s) text += cat(text.empty() ? "" : ",", n);
  return text;
}

inline Tensor<std::uint8_t> packed_bits(const Tensor<std::uint8_t>& m) {
  auto bits = Tensor<std::uint8_t>::zeros({(m.size() + 7) / 8});
  for (std::int64_t i = 0; i < m.size(); ++i)
    if (m(i)) bits(i / 8) = std::uint8_t(bits(i / 8) | 1u << i % 8);
  return bits;
}

}  // namespace detail

/// Writes a mask. The same mask and notes give the same bytes.
///   notes    more metadata; the keys of the format are taken
template <MaskTree K>
void save_mask(const std::string& path, const K& mask, std::map<std::string, std::string> notes = {}) {
  std::vector<TensorSpec> specs;
  std::vector<Tensor<std::uint8_t>> leaves;
  notes["format"] = mask_format;
  for_each_leaf(
      [&](const Path& at, const Tensor<std::uint8_t>& m) {
        specs.push_back({at.str(), DType::u8, Shape{(m.size() + 7) / 8}});
        leaves.push_back(m);
        notes["shape." + at.str()] = detail::shape_list(m.shape());
      },
      mask);
  write_safetensors(path, notes, specs,
                    [&](std::size_t i) { return StoredTensor::from(detail::packed_bits(leaves[i])); });
}

/// Reads the mask of a model of this form; leaves that the file does not name are dense.
///   Throws FileError where the file is no mask, names a leaf that the model lacks, or is of other shapes.
template <Tree M>
Mask<M> load_mask(const std::string& path, const M& model) {
  using U = Tensor<std::uint8_t>;
  const SafetensorsFile file = SafetensorsFile::open(path);
  const auto noted = [&](const std::string& key) {
    const auto it = file.metadata().find(key);
    return it == file.metadata().end() ? std::string() : it->second;
  };
  if (noted("format") != mask_format)
    throw FileError(path, -1, cat("is no mask: the format is ", printable(noted("format"))));
  std::size_t used = 0;
  const Mask<M> mask = map_tree<U>(model, [&](const Path& at, const auto& w) {
    const std::string name = at.str();
    const StoredTensor* bits = file.tensors().find(name);
    if (!bits) return U{};
    ++used;
    const Shape& shape = w.shape();
    const std::int64_t n = shape.numel();
    if (noted("shape." + name) != detail::shape_list(shape) || bits->dtype() != DType::u8 ||
        !(bits->shape() == Shape{(n + 7) / 8}))
      throw FileError(path, -1,
                      cat("the mask of ", printable(name), " is of shape (", noted("shape." + name), ") and has ",
                          bits->nbytes(), " bytes; the model's is ", shape));
    const auto* from = reinterpret_cast<const std::uint8_t*>(bits->bytes().data());
    if (n % 8 != 0 && from[n / 8] >> n % 8 != 0)
      throw FileError(path, -1, cat("the mask of ", printable(name), " has bits behind its last weight"));
    U m(shape);
    for (std::int64_t i = 0; i < n; ++i) m(i) = from[i / 8] >> i % 8 & 1;
    return m;
  });
  if (used != file.tensors().size())
    for (const NamedTensor& t : file.tensors()) {
      bool known = false;
      for_each_leaf([&](const Path& at, const auto&) { known = known || at.str() == t.name; }, model);
      if (!known) throw FileError(path, -1, cat("has a mask of ", printable(t.name), ", which the model lacks"));
    }
  return mask;
}

}  // namespace tenzo::prune
