// SentencePiece's .model: any bytes end in FileError or in a tokenizer whose ids are all in range.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tenzo/io/tokenizer/spm.hpp"
#include "tokenizer.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check_tokenizer(bytes, [&] { return tenzo::parse_spm(bytes, "input"); });
  return 0;
}
