// Working memory of a kernel: one block a thread and purpose, which grows and is kept for the next call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace tenzo::detail {

/// At least `n` elements, uninitialised, aligned to 64 bytes; the block of this thread for the purpose `Tag`.
///   Valid until the same thread asks again for the same purpose and type.
template <class Tag, class T>
T* scratch(std::int64_t n) {
  struct Free {
    void operator()(T* p) const { ::operator delete(p, std::align_val_t{64}); }
  };
  thread_local std::unique_ptr<T, Free> block;
  thread_local std::int64_t size = 0;
  if (n > size) {
    block.reset();
    size = 0;
    block.reset(static_cast<T*>(::operator new(std::size_t(n) * sizeof(T), std::align_val_t{64})));
    size = n;
  }
  return block.get();
}

}  // namespace tenzo::detail
