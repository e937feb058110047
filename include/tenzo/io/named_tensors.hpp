// The tensors of a model file: in the file's order, and found by name.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tenzo/core/compiled.hpp"
#include "tenzo/core/error.hpp"
#include "tenzo/core/stored.hpp"

namespace tenzo {

struct NamedTensor {
  std::string name;
  StoredTensor tensor;
};

/// A list of tensors with different names.
class NamedTensors {
 public:
  NamedTensors() = default;
  /// Throws ValueError for a name that comes twice.
  TENZO_COMPILED explicit NamedTensors(std::vector<NamedTensor> items);

  auto begin() const { return items_.begin(); }
  auto end() const { return items_.end(); }
  std::size_t size() const { return items_.size(); }
  bool empty() const { return items_.empty(); }
  const NamedTensor& operator[](std::size_t i) const { return items_[i]; }

  /// Positions in the order of the names, bytewise.
  const std::vector<std::size_t>& by_name() const { return by_name_; }

  /// The tensor of a name, or nullptr.
  const StoredTensor* find(std::string_view name) const {
    const auto it =
        std::ranges::lower_bound(by_name_, name, {}, [&](std::size_t i) -> std::string_view { return items_[i].name; });
    return it != by_name_.end() && items_[*it].name == name ? &items_[*it].tensor : nullptr;
  }

 private:
  std::vector<NamedTensor> items_;
  std::vector<std::size_t> by_name_;
};

#if TENZO_DEFINES(files)
TENZO_COMPILED NamedTensors::NamedTensors(std::vector<NamedTensor> items)
    : items_(std::move(items)), by_name_(items_.size()) {
  std::iota(by_name_.begin(), by_name_.end(), std::size_t(0));
  std::ranges::sort(by_name_, {}, [&](std::size_t i) -> std::string_view { return items_[i].name; });
  for (std::size_t i = 1; i < by_name_.size(); ++i)
    require(items_[by_name_[i - 1]].name != items_[by_name_[i]].name, "tensors: the name ", items_[by_name_[i]].name,
            " comes twice");
}
#endif

}  // namespace tenzo
