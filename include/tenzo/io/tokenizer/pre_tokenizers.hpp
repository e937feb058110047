// Pre-tokenizers: cutting text into the pieces that the vocabulary's model sees one at a time.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tenzo/core/compiled.hpp"
#include "tenzo/core/error.hpp"
#include "tenzo/io/byte_reader.hpp"
#include "tenzo/io/tokenizer/pattern.hpp"

namespace tenzo::text {

/// Cuts at the matches of a pattern.
struct Split {
  enum Keep { isolated, removed, contiguous, with_previous, with_next };
  Pattern pattern;
  Keep keep = isolated;   // what becomes of a match; contiguous: neighbouring matches are one piece
  bool inverted = false;  // what lies between the matches counts as the match
};

/// Writes spaces as `mark`, marks the begin of the text, and cuts before each mark.
struct MarkedSpaces {
  enum Prepend { always, first, never };
  std::string mark = "▁";
  Prepend prepend = always;  // always: before each stretch of text; first: only where the whole text begins
  bool split = true;
};

/// Puts a space before a piece that does not begin with one.
struct LeadingSpace {};

using PreTokenizer = std::variant<Split, MarkedSpaces, LeadingSpace>;

/// A piece of text; `first`: the whole text begins here.
struct Piece {
  std::string_view text;
  bool first = false;
};

namespace detail {

/// Cuts text into stretches that are either a match or not: f(stretch, is a match).
template <class F>
void for_each_stretch(const Split& s, std::string_view text, F&& f) {
  std::size_t done = 0;
  for (std::optional<Match> m; (m = find(s.pattern, text, done)); done = m->end) {
    if (m->begin > done) f(Match{done, m->begin}, s.inverted);
    f(*m, !s.inverted);
  }
  if (done < text.size()) f(Match{done, text.size()}, s.inverted);
}

template <class Emit>
void split(const Split& s, Piece piece, Emit&& emit) {
  const auto give = [&](Match m) {
    if (m.begin < m.end) emit(Piece{piece.text.substr(m.begin, m.end - m.begin), piece.first && m.begin == 0});
  };
  Match open{0, 0};  // a piece that may still grow
  bool open_is_match = false;
  for_each_stretch(s, piece.text, [&](Match m, bool is_match) {
    switch (s.keep) {
      case Split::isolated: return give(m);
      case Split::removed:
        if (!is_match) give(m);
        return;
      case Split::contiguous:
        if (is_match == open_is_match && open.end == m.begin && open.begin < open.end) {
          open.end = m.end;
          return;
        }
        break;
      case Split::with_previous:
        if (is_match && !open_is_match && open.begin < open.end) {
          open.end = m.end;
          open_is_match = true;
          return;
        }
        break;
      case Split::with_next:
        if (!is_match && open_is_match && open.begin < open.end) {
          open.end = m.end;
          open_is_match = false;
          return;
        }
        break;
    }
    give(open);
    open = m;
    open_is_match = is_match;
  });
  give(open);
}

template <class Emit>
void split(const MarkedSpaces& m, Piece piece, Emit&& emit) {
  std::string marked;
  replace_all({Pattern::literal, 1, " "}, piece.text, m.mark, marked);
  const bool here = m.prepend == MarkedSpaces::always || (m.prepend == MarkedSpaces::first && piece.first);
  if (here && !marked.starts_with(m.mark)) marked.insert(0, m.mark);
  if (!m.split) return emit(Piece{marked, piece.first});
  split(Split{{Pattern::literal, 1, m.mark}, Split::with_next}, Piece{marked, piece.first}, emit);
}

template <class Emit>
void split(const LeadingSpace&, Piece piece, Emit&& emit) {
  if (piece.text.starts_with(' ')) return emit(piece);
  std::string spaced = " ";
  spaced.append(piece.text);
  emit(Piece{spaced, piece.first});
}

}  // namespace detail

/// Passes the piece through the stages, each cutting what the one before it gives, and calls emit(string_view) for what
/// comes out, in order; the views last until emit returns.
template <class Emit>
void pre_tokenize(std::span<const PreTokenizer> stages, Piece piece, Emit&& emit) {
  if (piece.text.empty()) return;
  if (stages.empty()) return emit(piece.text);
  const auto onward = [&](Piece p) { pre_tokenize(stages.subspan(1), p, emit); };
  std::visit([&](const auto& stage) { detail::split(stage, piece, onward); }, stages[0]);
}

/// The stages of a pre-tokenizer by the name that GGUF files give it. Throws ValueError for a name not known.
///   gpt2, gpt-2, default, …    GPT-2's words
///   smollm, starcoder, …       each digit alone, then GPT-2's words between them
///   llama-bpe, llama3, …       Llama 3's words, digits by three
///   qwen2, …                   Llama 3's words, each digit alone
TENZO_COMPILED std::vector<PreTokenizer> pre_tokenizers_by_name(std::string_view name);

#if TENZO_DEFINES(text)
TENZO_COMPILED std::vector<PreTokenizer> pre_tokenizers_by_name(std::string_view name) {
  const auto one_of = [&](auto... names) { return ((name == names) || ...); };
  if (one_of("gpt2", "gpt-2", "default", "", "phi-2", "roberta-bpe", "mpt", "olmo", "jais", "trillion", "jina-es",
             "jina-de", "jina-v2-es", "jina-v2-de", "jina-v2-code", "gigachat", "a.x-4.0"))
    return {Split{{Pattern::gpt2}}};
  if (one_of("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"))
    return {Split{{Pattern::digit}}, Split{{Pattern::gpt2}}};
  if (one_of("llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "dbrx", "smaug-bpe"))
    return {Split{{Pattern::llama3, 3}}};
  if (one_of("qwen2", "stablelm2", "hunyuan", "megrez", "deepseek-r1-qwen")) return {Split{{Pattern::llama3, 1}}};
  throw ValueError(
      cat("pre-tokenizer ", printable(name), " is not known; known are gpt2, smollm, llama-bpe, qwen2 and their kin"));
}
#endif

}  // namespace tenzo::text
