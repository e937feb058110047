// Any text is an ISMRMRD header whose columns lie in the encoded ones, or a FileError.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "one_line.hpp"
#include "tenzo/mri/ismrmrd_header.hpp"

using namespace tenzo;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto h = mri::parse_ismrmrd_header({reinterpret_cast<const char*>(data), size}, "input");
    if (h.columns_begin < 0 || h.columns_begin >= h.columns_end || h.columns_end > h.encoded_y) std::abort();
  } catch (const FileError& e) {
    check_one_line(e);
  }
  return 0;
}
