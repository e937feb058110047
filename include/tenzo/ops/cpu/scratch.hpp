// Working memory of a kernel, from the caching pool.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tenzo/core/pool.hpp"

namespace tenzo::cpu {

/// `n` uninitialised elements, aligned to 64 bytes, for the life of this object.
template <class T>
class Scratch {
 public:
  explicit Scratch(std::int64_t n)
      : bytes_(std::size_t(std::max<std::int64_t>(1, n)) * sizeof(T)),
        data_(static_cast<T*>(Pool::instance().allocate(bytes_))) {}
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { Pool::instance().release(data_, bytes_); }

  T* data() const { return data_; }

 private:
  std::size_t bytes_;
  T* data_;
};

}  // namespace tenzo::cpu
