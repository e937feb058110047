// What a tokenizer must do that was read from hostile bytes: give ids in range, and take them back.
#pragma once

#include <cstdlib>
#include <string_view>

#include "one_line.hpp"
#include "tenzo/io/tokenizer.hpp"

/// Reads a tokenizer by `read`, which may throw FileError, and gives it a fixed text and a piece of the file: the
/// file's own tokens are in it.
template <class Read>
void check_tokenizer(std::string_view bytes, Read&& read) {
  tenzo::Tokenizer t;
  try {
    t = read();
  } catch (const tenzo::FileError& e) {
    return check_one_line(e);
  }
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
}
