// Any bytes are a zip archive whose members have the sizes that it says and, where they are arrays, can be read to the
// last element, or a FileError.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "one_line.hpp"
#include "tenzo/mri/slice_cache.hpp"

using namespace tenzo;

namespace {

template <class F>
void one_line_or(F&& f) {
  try {
    f();
  } catch (const FileError& e) {
    check_one_line(e);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::byte> bytes = std::as_bytes(std::span(data, size));
  one_line_or([&] {
    const ZipFile zip = ZipFile::parse(bytes, "input");
    for (const ZipMember& m : zip.members())
      one_line_or([&] {
        if (zip.read(m).bytes().size() != m.size || zip.find(m.name) == nullptr) std::abort();
      });
  });
  one_line_or([&] {
    const NpzFile npz = NpzFile::parse(bytes, "input");
    for (const std::string& name : npz.names())
      one_line_or([&] {
        npz.with(name, [](const NpyArray& a) {
          if (a.as<float>().size() != a.shape.numel()) std::abort();
        });
      });
    const mri::CachedSlice s = mri::cached_slice(npz);
    if (s.kspace.shape() != s.maps.shape()) std::abort();
  });
  return 0;
}
