// The shared memory of the running block.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <vector>

namespace tenzo::emulation {

/// A heap block of its own for each declaration, so that the address sanitizer guards both ends; made when the first
/// thread of a block comes to the declaration, and full of NaN.
class SharedMemory {
 public:
  /// Which memory a declaration has, of all its kind in a kernel.
  struct Slot {
    std::uint64_t block = 0;
    void* data = nullptr;
  };

  /// For a new block, with all its dynamic shared memory.
  void open(std::size_t dynamic_bytes) {
    ++block_, static_bytes_ = 0;
    dynamic_ = make(dynamic_bytes);
  }
  void close() {
    for (const Piece& p : pieces_) ::operator delete(p.data, std::align_val_t(alignment));
    pieces_.clear();
  }

  bool has(const Slot& slot) const { return slot.block == block_; }
  void make(Slot& slot, std::size_t bytes) {
    static_bytes_ += bytes;
    slot = {block_, make(bytes)};
  }
  void* dynamic() const { return dynamic_; }
  std::size_t static_bytes() const { return static_bytes_; }

  /// Whether these bytes are shared memory of the running block.
  bool holds(const void* p, std::size_t bytes) const {
    const auto* const b = static_cast<const std::byte*>(p);
    return std::any_of(pieces_.begin(), pieces_.end(), [&](const Piece& s) {
      return b >= s.data && std::size_t(b - s.data) <= s.bytes && bytes <= s.bytes - std::size_t(b - s.data);
    });
  }

 private:
  static constexpr std::size_t alignment = 128;

  struct Piece {
    std::byte* data;
    std::size_t bytes;
  };

  void* make(std::size_t bytes) {
    auto* const p = static_cast<std::byte*>(::operator new(bytes, std::align_val_t(alignment)));
    std::memset(p, 0xff, bytes);
    pieces_.push_back({p, bytes});
    return p;
  }

  std::uint64_t block_ = 0;
  std::size_t static_bytes_ = 0;
  void* dynamic_ = nullptr;
  std::vector<Piece> pieces_;
};

}  // namespace tenzo::emulation
