#include "access.hpp"

#include "linkage.hpp"
#include "tenzo/core/error.hpp"

namespace tenzo::emulation {

TENZO_IN_LIBRARY void refuse_access(const char* what, const void* p, std::size_t bytes, std::size_t alignment,
                                    bool shared, Site where) {
  const Hidden hidden;
  Block& block = Block::instance();
  if (reinterpret_cast<std::uintptr_t>(p) % alignment != 0)
    block.fail(Fault::misaligned,
               cat(what, " of ", bytes, " bytes at ", p, ", which must be a multiple of ", alignment), where);
  const Allocation* const a = Memory::instance().find(p);
  const std::string place = block.shared().holds(p, 0) ? std::string(shared ? "past shared memory" : "in shared memory")
                            : !a                       ? "which is not memory of the device"
                            : a->place == Allocation::Place::pinned
                                ? "in pinned memory of the host"
                                : cat("at byte ", static_cast<const std::byte*>(p) - a->data, " of ", a->bytes);
  block.fail(Fault::illegal_address, cat(what, " of ", bytes, " bytes at ", p, ", ", place), where);
}

}  // namespace tenzo::emulation
