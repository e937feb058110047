// What a model needs: a tree of expected shapes, made from a configuration alone. Loading, initialising and counting
// memory start from it.
#pragma once

#include <string>
#include <string_view>

#include "tenzo/tree/stored.hpp"

namespace tenzo {

/// A leaf that says which shape belongs there.
struct Expected {
  Shape shape_;
  bool present = false;

  Expected() = default;
  Expected(const Shape& shape) : shape_(shape), present(true) {}
  bool defined() const { return present; }
  const Shape& shape() const { return shape_; }
};

template <>
struct IsLeaf<Expected> : std::true_type {};

/// The stored tensors of a model whose leaves `find(name)` knows (a pointer, null where there is none).
///   Throws FileError (with `path`) where a tensor is missing or has another shape than the configuration says.
template <template <class> class M, class Find>
M<StoredTensor> load_tree(const M<Expected>& spec, Find&& find, const std::string& path) {
  return map_tree<StoredTensor>(spec, [&](const Path& at, const Expected& want) {
    const std::string name = at.str();
    const StoredTensor* got = find(name);
    if (!got) throw FileError(path, -1, cat("has no tensor for '", name, "'"));
    if (!(got->shape() == want.shape()))
      throw FileError(path, -1, cat("'", name, "' is ", got->shape(), "; its configuration says ", want.shape()));
    return *got;
  });
}

}  // namespace tenzo
