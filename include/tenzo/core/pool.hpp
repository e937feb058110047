// A caching memory pool: blocks that were freed are given out again, so that a loop in steady state makes no system
// call and its memory stays flat.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <new>
#include <vector>

#include "tenzo/core/detail/arena.hpp"

namespace tenzo {

/// What the pool holds, in bytes.
struct PoolStatistics {
  std::size_t in_use = 0;    // handed out now
  std::size_t peak = 0;      // largest in_use since the last reset
  std::size_t cached = 0;    // freed and kept
  std::size_t requests = 0;  // blocks asked for
  std::size_t fresh = 0;     // of these, taken from the system
};

/// Blocks of 64-byte alignment. Small ones by size class, eight classes an octave, so at most an eighth of one is
/// unused; large ones in pages, cut from one reservation where they join and split, so that sizes that differ share
/// memory.
///   Freed blocks are kept up to `limit` bytes, and only while they and those in use exceed the largest use so far by
///   at
/// most `excess` bytes; the largest go back first. Thread-safe.
class Pool {
 public:
  static constexpr std::size_t alignment = 64;

  static Pool& instance() {
    static Pool* pool = new Pool;  // never destroyed: tensors of static lifetime may outlive any order of destruction
    return *pool;
  }

  Pool() = default;
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() { shrink(0); }

  /// Size of the block that a request of `bytes` gets.
  static constexpr std::size_t class_size(std::size_t bytes) {
    if (bytes <= 1024) return std::max<std::size_t>(alignment, (bytes + 63) & ~std::size_t(63));
    if (bytes >= large) {
      if (bytes > SIZE_MAX - detail::Arena::page) throw std::bad_alloc();
      return (bytes + detail::Arena::page - 1) / detail::Arena::page * detail::Arena::page;
    }
    const std::size_t step = std::bit_floor(bytes - 1) / 8;
    return (bytes + step - 1) / step * step;
  }

  /// A block and its size, which is what it is to be released with.
  struct Block {
    void* data;
    std::size_t size;
  };

  Block allocate(std::size_t bytes) {
    const std::size_t size = class_size(bytes);
    {
      std::scoped_lock lock(mutex_);
      ++stats_.requests;
      if (size >= large) {
        if (const auto got = arena_.take(size); got.data) {
          stats_.fresh += got.fresh;
          take(size);
          shrink(allowance());  // what was kept and did not fit makes room before the new pages are touched
          return {got.data, size};
        }
      } else if (const auto it = free_.find(size); it != free_.end() && !it->second.empty()) {
        void* p = it->second.back();
        it->second.pop_back();
        small_ -= size;
        take(size);
        return {p, size};
      }
    }
    void* const p = ::operator new(size, std::align_val_t(alignment));  // where it throws nothing has been counted
    std::scoped_lock lock(mutex_);
    ++stats_.fresh;
    take(size);
    shrink(allowance());
    return {p, size};
  }

  void release(void* p, std::size_t size) noexcept {
    std::scoped_lock lock(mutex_);
    stats_.in_use -= size;
    try {
      if (arena_.owns(p)) {
        arena_.give(p, size);
      } else if (size < large) {
        free_[size].push_back(p);
        small_ += size;
      } else {
        return ::operator delete(p, std::align_val_t(alignment));
      }
    } catch (...) {
      if (!arena_.owns(p)) ::operator delete(p, std::align_val_t(alignment));
      return;
    }
    shrink(allowance());
  }

  /// Gives cached blocks back to the system until at most `keep` bytes remain.
  void trim(std::size_t keep = 0) {
    std::scoped_lock lock(mutex_);
    shrink(keep);
  }

  /// Sets how many freed bytes are kept (default: any number).
  void set_limit(std::size_t bytes) {
    std::scoped_lock lock(mutex_);
    limit_ = bytes;
    shrink(allowance());
  }
  /// Sets by how much freed bytes and those in use may together exceed the largest use so far (default: 64 MiB).
  ///   A small excess costs little: what a step frees and takes again stays below the largest use, and is kept.
  void set_excess(std::size_t bytes) {
    std::scoped_lock lock(mutex_);
    excess_ = bytes;
    shrink(allowance());
  }

  PoolStatistics statistics() const {
    std::scoped_lock lock(mutex_);
    PoolStatistics s = stats_;
    s.cached = small_ + arena_.kept();
    return s;
  }
  /// The peak counts from here on.
  void reset_peak() {
    std::scoped_lock lock(mutex_);
    stats_.peak = stats_.in_use;
  }

 private:
  static constexpr std::size_t large = std::size_t(1) << 18;

  void take(std::size_t size) {
    stats_.in_use += size;
    stats_.peak = std::max(stats_.peak, stats_.in_use);
    largest_ = std::max(largest_, stats_.in_use);
  }

  /// How many freed bytes may be kept now.
  std::size_t allowance() const noexcept {
    const std::size_t below = largest_ - stats_.in_use;
    return excess_ < limit_ - std::min(limit_, below) ? below + excess_ : limit_;
  }

  void shrink(std::size_t keep) noexcept {
    if (small_ + arena_.kept() <= keep) return;
    arena_.shrink(keep > small_ ? keep - small_ : 0);
    for (auto it = free_.rbegin(); it != free_.rend() && small_ > keep; ++it)
      while (!it->second.empty() && small_ > keep) {
        ::operator delete(it->second.back(), std::align_val_t(alignment));
        it->second.pop_back();
        small_ -= it->first;
      }
  }

  mutable std::mutex mutex_;
  std::map<std::size_t, std::vector<void*>> free_;  // small blocks by size
  std::size_t small_ = 0;                           // bytes of these
  detail::Arena arena_;                             // large ones
  std::size_t limit_ = SIZE_MAX, excess_ = std::size_t(64) << 20;
  std::size_t largest_ = 0;  // in_use at its largest
  PoolStatistics stats_;
};

/// n uninitialised elements of the pool, aligned to 64 bytes, for the life of this object: working memory of a kernel.
template <class T>
class PoolArray {
 public:
  explicit PoolArray(std::int64_t n)
      : block_(Pool::instance().allocate(std::size_t(std::max<std::int64_t>(1, n)) * sizeof(T))) {}
  PoolArray(const PoolArray&) = delete;
  PoolArray& operator=(const PoolArray&) = delete;
  ~PoolArray() { Pool::instance().release(block_.data, block_.size); }

  T* data() const { return static_cast<T*>(block_.data); }

 private:
  Pool::Block block_;
};

}  // namespace tenzo
