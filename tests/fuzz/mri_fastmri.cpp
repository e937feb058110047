// Any bytes are a file of fastMRI whose slices can be read, or a FileError. What is beyond the HDF5 library is ours to
// check; in the library itself, faults of its own can be found.
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "one_line.hpp"
#include "tenzo/mri/fastmri.hpp"

using namespace tenzo;

/// What the library forgets where it meets an error is no finding.
extern "C" const char* __lsan_default_suppressions() { return "leak:libhdf5"; }

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // The library wants a path: that of a file in memory.
  const int memory = ::memfd_create("input", MFD_CLOEXEC);
  if (memory < 0 || ::write(memory, data, size) != ssize_t(size)) std::abort();
  try {
    const auto f = mri::FastMriFile::open("/proc/self/fd/" + std::to_string(memory));
    const mri::FastMriInfo& info = f.info();
    if (info.header.columns_end > info.header.encoded_y) std::abort();
    for (const std::int64_t slice : {std::int64_t(0), info.slices - 1}) {
      const auto k = f.kspace(slice);
      if (k.size() != 2 * info.coils * info.rows * info.columns) std::abort();
      for (const float x : k.values())
        if (!std::isfinite(x)) std::abort();
      if (!info.target.empty() && f.target(slice).size() != info.target_rows * info.target_columns) std::abort();
    }
  } catch (const FileError& e) {
    check_one_line(e);
  }
  ::close(memory);
  return 0;
}
