// Weights of a model in a file of their own: safetensors, leaves under their names. Needs nlohmann-json.
#pragma once

#include <cmath>
#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "tenzo/io/safetensors.hpp"
#include "tenzo/io/safetensors_writer.hpp"
#include "tenzo/tree/tree.hpp"

namespace tenzo {

/// Writes the leaves of a model of float tensors; undefined ones are left out. The same model and notes give the same
/// bytes.
template <Tree M>
void save_model(const std::string& path, const M& model, const std::map<std::string, std::string>& notes = {}) {
  std::vector<TensorSpec> specs;
  std::vector<Tensor<float>> leaves;
  for_each_leaf(
      [&](const Path& at, const Tensor<float>& w) {
        if (!w.defined()) return;
        specs.push_back({at.str(), DType::f32, w.shape()});
        leaves.push_back(w);
      },
      model);
  write_safetensors(path, notes, specs, [&](std::size_t i) { return StoredTensor::from(leaves[i]); });
}

/// The model whose form `spec` gives, a tree of expected shapes, with the file's numbers as T; `under` stands before
/// its leaves' names.
///   Throws  FileError where a leaf is missing, has another shape, or holds what is not finite.
template <Real T, Tree S>
auto load_model(const S& spec, const SafetensorsFile& file, const std::string& path, const std::string& under = "") {
  return map_tree<Tensor<T>>(spec, [&](const Path& at, const auto& want) {
    const std::string name = under + at.str();
    const StoredTensor* got = file.tensors().find(name);
    if (!got) throw FileError(path, -1, cat("has no tensor for '", name, "'"));
    if (!(got->shape() == want.shape()))
      throw FileError(path, -1, cat("'", name, "' is ", got->shape(), "; want ", want.shape()));
    Tensor<T> v = got->to<T>().clone();
    for (const T x : v.values())
      if (!std::isfinite(x)) throw FileError(path, -1, cat("'", name, "' holds ", x));
    return v;
  });
}

}  // namespace tenzo
