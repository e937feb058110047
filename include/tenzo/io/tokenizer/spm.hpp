// SentencePiece's files (spiece.model, tokenizer.model), read without its library: a protocol buffer of three messages.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "tenzo/core/compiled.hpp"
#include "tenzo/core/error.hpp"
#include "tenzo/io/byte_reader.hpp"
#include "tenzo/io/mapped_file.hpp"
#include "tenzo/io/tokenizer.hpp"
#include "tenzo/io/tokenizer/lists.hpp"

namespace tenzo {

#if TENZO_DEFINES(text)
namespace detail {

/// A field of a protocol buffer's message: its number and, by its kind, a number or bytes.
struct ProtobufField {
  std::uint64_t number = 0, value = 0;
  std::string_view bytes = {};
};

/// Reads the fields of a message one after another.
class ProtobufReader {
 public:
  /// `at`: where the message lies in the file.
  ProtobufReader(std::string_view message, std::int64_t at, const std::string& path)
      : message_(message), at_(at), path_(path) {}

  bool next(ProtobufField& field) {
    if (read_ == message_.size()) return false;
    const std::uint64_t tag = varint();
    field = {.number = tag >> 3};
    switch (tag & 7) {
      case 0: field.value = varint(); break;
      case 1: field.value = little_endian(8); break;
      case 2: field.bytes = take(varint()); break;
      case 5: field.value = little_endian(4); break;
      default: fail(cat("a field of kind ", tag & 7, ", which is not known"));
    }
    return true;
  }

  /// A message that is a field of this one.
  ProtobufReader inside(const ProtobufField& field) const {
    return {field.bytes, at_ + (field.bytes.data() - message_.data()), path_};
  }

  [[noreturn]] void fail(const std::string& reason) const { throw FileError(path_, at_ + std::int64_t(read_), reason); }

 private:
  std::string_view take(std::uint64_t n) {
    if (n > message_.size() - read_) fail(cat("a field of ", n, " bytes; ", message_.size() - read_, " are left"));
    const auto part = message_.substr(read_, std::size_t(n));
    read_ += std::size_t(n);
    return part;
  }

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      value |= std::uint64_t(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    fail("a number of more than 10 bytes");
  }

  std::uint64_t little_endian(std::size_t n) {
    std::uint64_t value = 0;
    const auto bytes = take(n);
    for (std::size_t i = 0; i < n; ++i) value |= std::uint64_t(static_cast<unsigned char>(bytes[i])) << 8 * i;
    return value;
  }

  std::string_view message_;
  std::int64_t at_;
  const std::string& path_;
  std::size_t read_ = 0;
};

/// A piece: 1 the string, 2 its score, 3 its type.
inline void read_spm_piece(ProtobufReader in, TokenizerLists& lists) {
  std::string_view piece;
  float score = 0;
  std::int32_t type = TokenizerLists::normal;
  for (ProtobufField f; in.next(f);) {
    if (f.number == 1) piece = f.bytes;
    if (f.number == 2) score = std::bit_cast<float>(std::uint32_t(f.value));
    if (f.number == 3) type = std::int32_t(f.value);
  }
  if (piece.empty()) in.fail("a piece without a string");
  lists.tokens.push_back(piece);
  lists.scores.push_back(score);
  lists.types.push_back(type);
}

/// What the trainer was told: 3 the model's type, 24 spaces at the ends of words, 40 … 43 ids of the special tokens.
inline void read_spm_trainer(ProtobufReader in, TokenizerLists& lists) {
  const auto id = [](const ProtobufField& f) { return f.value > INT32_MAX ? -1 : int(f.value); };
  for (ProtobufField f; in.next(f);) {
    if (f.number == 3 && f.value != 1 && f.value != 2) in.fail("its model is neither unigram nor BPE");
    if (f.number == 3) lists.model = f.value == 2 ? "llama" : "t5";
    if (f.number == 24 && f.value != 0) in.fail("treat_whitespace_as_suffix is not supported");
    if (f.number == 40) lists.unknown = id(f);
    if (f.number == 41) lists.bos = id(f);
    if (f.number == 42) lists.eos = id(f);
    if (f.number == 43) lists.pad = id(f);
  }
}

/// The normalizer: 2 the table of replacements, 3 a space before the text, 4 collapse spaces, 5 write them as ▁.
inline void read_spm_normalizer(ProtobufReader in, TokenizerLists& lists) {
  for (ProtobufField f; in.next(f);) {
    if (f.number == 2) lists.charsmap = std::string(f.bytes);
    if (f.number == 3) lists.add_space_prefix = f.value != 0;
    if (f.number == 4) lists.collapse_spaces = f.value != 0;
    if (f.number == 5 && f.value == 0) in.fail("escape_whitespaces = false is not supported");
  }
}

}  // namespace detail
#endif

/// A tokenizer of the bytes of a SentencePiece model; `path` is its name in errors.
///   Special tokens are put around texts as is usual for the model: <s> before BPE's (LLaMA), </s> after unigram's
///   (T5).
TENZO_COMPILED Tokenizer parse_spm(std::string_view bytes, const std::string& path);

#if TENZO_DEFINES(text)
TENZO_COMPILED Tokenizer parse_spm(std::string_view bytes, const std::string& path) {
  TokenizerLists lists{
      .model = "t5", .bos = 1, .eos = 2, .unknown = 0, .add_space_prefix = true, .collapse_spaces = true};
  detail::ProtobufReader in(bytes, 0, path);
  for (detail::ProtobufField f; in.next(f);) {
    if (f.number == 1) detail::read_spm_piece(in.inside(f), lists);
    if (f.number == 2) detail::read_spm_trainer(in.inside(f), lists);
    if (f.number == 3) detail::read_spm_normalizer(in.inside(f), lists);
  }
  try {
    require(!lists.tokens.empty(), "has no pieces");
    return make_tokenizer(lists);
  } catch (const ValueError& e) {
    throw FileError(path, -1, e.what());
  }
}
#endif

/// The tokenizer of a file spiece.model or tokenizer.model. Throws FileError where it is damaged.
inline Tokenizer tokenizer_from_spm(const std::string& path) {
  const auto file = MappedFile::open(path);
  return parse_spm({reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size()}, path);
}

}  // namespace tenzo
