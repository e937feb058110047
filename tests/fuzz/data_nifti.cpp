// Any bytes are a volume of finite voxels that fits its header, or a FileError; so are gzip's. Turning it gives as
// many.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "one_line.hpp"
#include "tenzo/data/nifti.hpp"

using namespace tenzo;

namespace {

void check(const Volume& v, const NiftiHeader& h) {
  if (v.voxels.size() != h.count() || v.voxels.dim(2) != h.sizes[0]) std::abort();
  for (const float x : v.voxels.values())
    if (!std::isfinite(x)) std::abort();
  if (to_ras(v).voxels.size() != v.voxels.size()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::span<const std::byte> bytes = std::as_bytes(std::span(data, size));
  std::vector<std::byte> content;
  try {
    if (is_gzip(bytes)) bytes = content = inflated(bytes, "input", 1 << 20);
    const NiftiHeader h = parse_nifti_header(bytes, "input");
    check(h.pair ? nifti_volume(h, bytes, "input") : parse_nifti(bytes, "input"), h);
  } catch (const FileError& e) {
    check_one_line(e);
  }
  return 0;
}
