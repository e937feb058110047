// vocab.json with merges.txt: any bytes end in FileError or in a tokenizer whose ids are all in range. The input is
// tokenizer_config.json, vocab.json and merges.txt with a zero byte between them.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "tenzo/io/tokenizer/folder.hpp"
#include "tokenizer.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace text = tenzo::text;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::size_t first = std::min(bytes.find('\0'), size), second = std::min(bytes.find('\0', first + 1), size);
  const std::string_view config = bytes.substr(0, first),
                         vocabulary = bytes.substr(std::min(first + 1, second), second - std::min(first + 1, second)),
                         merges = bytes.substr(std::min(second + 1, size));
  check_tokenizer(bytes, [&] {
    const text::detail::TokenizerConfig settings(tenzo::parse_json(config, "config"), text::Json::object());
    return text::reading_json("input", [&] {
      const auto tokens = text::parse_tokenizer_json(vocabulary, false);
      return tenzo::Tokenizer(text::detail::parts_of_merges(tokens, merges, settings));
    });
  });
  return 0;
}
