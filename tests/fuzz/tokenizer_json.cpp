// tokenizer.json: any bytes end in FileError or in a tokenizer whose ids are all in range. The first byte chooses the
// reader: tokenizer.json, SentencePiece's model, or vocab.txt.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "tenzo/io/tokenizer/json.hpp"
#include "tenzo/io/tokenizer/spm.hpp"
#include "tenzo/io/tokenizer/vocab_txt.hpp"

namespace {

tenzo::Tokenizer read(int reader, std::string_view bytes) {
  if (reader == 's') return tenzo::parse_spm(bytes, "input");
  if (reader == 'v') return tenzo::parse_vocab_txt(bytes, "input", true);
  return tenzo::parse_tokenizer(bytes, "input");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  tenzo::Tokenizer t;
  try {
    t = read(data[0], bytes);
  } catch (const tenzo::FileError&) {
    return 0;
  }
  // A fixed text, and a piece of the file itself: its own tokens are in it.
  for (const std::string_view text :
       {std::string_view("The film's 12 naïve\u0301 東京 \xff\xc3\n<s>  x"), bytes.substr(0, 200)}) {
    try {
      const auto ids = t.encode(text, true);
      for (const int id : ids)
        if (id < 0 || id >= t.size()) std::abort();
      t.decode(ids, true);
    } catch (const tenzo::ValueError&) {  // the text would grow without bounds
    }
  }
  return 0;
}
