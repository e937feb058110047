// vocab.txt: BERT's vocabulary, a token a line.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "tenzo/core/compiled.hpp"
#include "tenzo/core/error.hpp"
#include "tenzo/io/mapped_file.hpp"
#include "tenzo/io/tokenizer.hpp"
#include "tenzo/io/tokenizer/lists.hpp"

namespace tenzo {

/// Calls f for each line of a text, without its end (\n or \r\n).
template <class F>
void for_each_line(std::string_view text, F&& f) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    f(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

/// A tokenizer of the text of a vocab.txt; `path` is its name in errors. [PAD], [UNK], [CLS], [SEP] and [MASK] are
/// control tokens, and [CLS] … [SEP] go around texts.
TENZO_COMPILED Tokenizer parse_vocab_txt(std::string_view text, const std::string& path, bool lowercase);

#if TENZO_DEFINES(text)
TENZO_COMPILED Tokenizer parse_vocab_txt(std::string_view text, const std::string& path, bool lowercase) {
  TokenizerLists lists;
  lists.model = "bert";
  lists.lowercase = lowercase;
  int mask = -1;
  const std::pair<std::string_view, int*> control[] = {{"[PAD]", &lists.pad},
                                                       {"[UNK]", &lists.unknown},
                                                       {"[CLS]", &lists.cls},
                                                       {"[SEP]", &lists.sep},
                                                       {"[MASK]", &mask}};
  for_each_line(text, [&](std::string_view line) {
    int type = TokenizerLists::normal;
    for (const auto& [name, id] : control) {
      if (line != name) continue;
      *id = int(lists.tokens.size());
      type = TokenizerLists::control;
    }
    lists.tokens.push_back(line);
    lists.types.push_back(type);
  });
  try {
    require(lists.unknown >= 0, "is no vocabulary of BERT: there is no line [UNK]");
    return make_tokenizer(lists);
  } catch (const ValueError& e) {
    throw FileError(path, -1, e.what());
  }
}
#endif

/// The tokenizer of a file vocab.txt; `lowercase`: the model was trained on lower case without accents.
inline Tokenizer tokenizer_from_vocab_txt(const std::string& path, bool lowercase = true) {
  const auto file = MappedFile::open(path);
  return parse_vocab_txt({reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size()}, path, lowercase);
}

}  // namespace tenzo
