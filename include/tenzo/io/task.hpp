// Text tasks: examples as a prompt with candidate answers, made from data sets in their own formats.
//
// Prompts and answer words are those of the benchmark (Zhang et al. 2024, ZO-LLM; Malladi et al. 2023, MeZO).
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "tenzo/core/compiled.hpp"
#include "tenzo/core/error.hpp"
#include "tenzo/io/byte_reader.hpp"
#include "tenzo/io/json.hpp"

namespace tenzo {

/// A prompt, the texts that may follow it, and which of them is right.
struct TextExample {
  std::string prompt;
  std::vector<std::string> candidates;
  int label = 0;
  std::string text;  // what a reader of the data would call the example
};

/// How a task is trained: cross entropy over the candidates' scores, or likelihood of the right one.
enum class TaskLoss { classification, option };

/// A named task: how a record becomes an example.
struct Task {
  using Record = std::map<std::string, std::string, std::less<>>;

  std::string name;
  TaskLoss loss = TaskLoss::classification;
  std::vector<std::string> fields;  // that a record must have, the label last
  TextExample (*make)(const Record&) = nullptr;

  /// The task of a name. Throws ValueError for an unknown one.
  static const Task& named(std::string_view name);
  static std::vector<std::string> names();
};

#if TENZO_DEFINES(tasks)
namespace detail {

inline std::string stripped(std::string_view s) {
  constexpr std::string_view space = " \t\r\n\f\v";
  const std::size_t a = s.find_first_not_of(space), b = s.find_last_not_of(space);
  return a == std::string_view::npos ? std::string() : std::string(s.substr(a, b - a + 1));
}

inline const std::string& field(const Task::Record& r, std::string_view key) { return r.find(key)->second; }

/// A label that is one of the given names or its number.
inline int label_of(const Task::Record& r, std::initializer_list<std::string_view> names) {
  const std::string& s = field(r, "label");
  int i = 0;
  for (const std::string_view n : names) {
    if (s == n || s == std::to_string(i)) return i;
    ++i;
  }
  throw ValueError(cat("label ", printable(s), " is none of the task's"));
}

inline std::string without_full_stop(std::string s) {
  if (s.ends_with('.')) s.pop_back();
  return s;
}

inline std::string lower_first(std::string s) {
  if (!s.starts_with("I ") && s != "I" && !s.empty()) s[0] = char(std::tolower(static_cast<unsigned char>(s[0])));
  return s;
}

inline TextExample sentiment(const Task::Record& r, bool aligned) {
  const std::string s = stripped(field(r, "sentence"));
  return {aligned ? s + " It was" : s, {" terrible", " great"}, label_of(r, {"negative", "positive"}), s};
}

}  // namespace detail
#endif

TENZO_COMPILED const std::vector<Task>& all_tasks();

#if TENZO_DEFINES(tasks)
TENZO_COMPILED const std::vector<Task>& all_tasks() {
  using R = Task::Record;
  using detail::field, detail::label_of, detail::stripped;
  static const std::vector<Task> tasks = {
      {"sst2", TaskLoss::classification, {"sentence", "label"}, [](const R& r) { return detail::sentiment(r, true); }},
      {"sst2-plain",
       TaskLoss::classification,
       {"sentence", "label"},
       [](const R& r) { return detail::sentiment(r, false); }},
      {"rte",
       TaskLoss::classification,
       {"premise", "hypothesis", "label"},
       [](const R& r) -> TextExample {
         const std::string p = stripped(field(r, "premise")), h = stripped(field(r, "hypothesis"));
         return {p + "\nDoes this mean that \"" + h + "\" is true? Yes or No?\n",
                 {"Yes", "No"},
                 label_of(r, {"entailment", "not_entailment"}),
                 p + " / " + h};
       }},
      {"cb",
       TaskLoss::classification,
       {"premise", "hypothesis", "label"},
       [](const R& r) -> TextExample {
         const std::string p = stripped(field(r, "premise")), h = stripped(field(r, "hypothesis"));
         return {"Suppose " + p + " Can we infer that \"" + h + "\"? Yes, No, or Maybe?\n",
                 {"Yes", "No", "Maybe"},
                 label_of(r, {"entailment", "contradiction", "neutral"}),
                 p + " / " + h};
       }},
      {"wsc",
       TaskLoss::classification,
       {"text", "span1_text", "span2_text", "label"},
       [](const R& r) -> TextExample {
         std::string pronoun = field(r, "span2_text");
         std::transform(pronoun.begin(), pronoun.end(), pronoun.begin(),
                        [](unsigned char c) { return char(std::tolower(c)); });
         const std::string t = stripped(field(r, "text"));
         return {t + "\nIn the previous sentence, does the pronoun \"" + pronoun + "\" refer to " +
                     field(r, "span1_text") + "? Yes or No?\n",
                 {"No", "Yes"},
                 label_of(r, {"false", "true"}),
                 t};
       }},
      {"wic",
       TaskLoss::classification,
       {"word", "sentence1", "sentence2", "label"},
       [](const R& r) -> TextExample {
         return {"Does the word \"" + field(r, "word") + "\" have the same meaning in these two sentences? Yes, No?\n" +
                     field(r, "sentence1") + "\n" + field(r, "sentence2") + "\n",
                 {"No", "Yes"},
                 label_of(r, {"false", "true"}),
                 field(r, "sentence1") + " / " + field(r, "sentence2")};
       }},
      {"boolq",
       TaskLoss::classification,
       {"passage", "question", "label"},
       [](const R& r) -> TextExample {
         std::string q = stripped(field(r, "question"));
         if (!q.empty()) q[0] = char(std::toupper(static_cast<unsigned char>(q[0])));
         if (!q.ends_with('?')) q += '?';
         return {field(r, "passage") + " " + q + "\n", {"No", "Yes"}, label_of(r, {"false", "true"}), q};
       }},
      {"multirc",
       TaskLoss::classification,
       {"paragraph", "question", "answer", "label"},
       [](const R& r) -> TextExample {
         return {field(r, "paragraph") + "\nQuestion: " + field(r, "question") + "\nI found this answer \"" +
                     field(r, "answer") + "\". Is that correct? Yes or No?\n",
                 {"No", "Yes"},
                 label_of(r, {"false", "true"}),
                 field(r, "question") + " / " + field(r, "answer")};
       }},
      {"copa",
       TaskLoss::option,
       {"premise", "question", "choice1", "choice2", "label"},
       [](const R& r) -> TextExample {
         const std::string p = detail::without_full_stop(stripped(field(r, "premise")));
         const std::string word = field(r, "question") == "effect" ? " so " : " because ";
         return {p + word,
                 {detail::lower_first(field(r, "choice1")), detail::lower_first(field(r, "choice2"))},
                 label_of(r, {"choice1", "choice2"}),
                 p};
       }},
      {"winogrande",
       TaskLoss::option,
       {"sentence", "option1", "option2", "answer"},
       [](const R& r) -> TextExample {
         const std::string& s = field(r, "sentence");
         const std::size_t gap = s.find('_');
         require(gap != std::string::npos, "the sentence has no '_'");
         const std::string rest = s.substr(gap + 1), &a = field(r, "answer");
         require(a == "1" || a == "2", "answer ", printable(a), " is none of the task's");
         return {s.substr(0, gap), {field(r, "option1") + rest, field(r, "option2") + rest}, a == "2", s};
       }},
  };
  return tasks;
}
#endif

inline const Task& Task::named(std::string_view name) {
  for (const Task& t : all_tasks())
    if (t.name == name) return t;
  throw ValueError(cat("unknown task '", name, "'; known are ", listed(names())));
}

inline std::vector<std::string> Task::names() {
  std::vector<std::string> out;
  for (const Task& t : all_tasks()) out.push_back(t.name);
  return out;
}

namespace detail {

inline std::string read_text(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) throw FileError(path, -1, "is a folder, not a file");
  std::ifstream file(path, std::ios::binary);
  if (!file) throw FileError(path, -1, "can not be opened");
  std::string s((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (s.empty()) throw FileError(path, 0, "is empty");
  return s;
}

#if TENZO_DEFINES(tasks)
/// Calls f(line, offset) for the lines of a text, without their ends.
template <class F>
void for_lines(std::string_view text, F&& f) {
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = text.find('\n', at);
    if (end == std::string_view::npos) end = text.size();
    std::string_view line = text.substr(at, end - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    f(line, std::int64_t(at));
    at = end + 1;
  }
}

inline std::vector<std::string_view> split_tabs(std::string_view line) {
  std::vector<std::string_view> parts;
  for (std::size_t at = 0;;) {
    const std::size_t tab = line.find('\t', at);
    parts.push_back(line.substr(at, tab == std::string_view::npos ? tab : tab - at));
    if (tab == std::string_view::npos) return parts;
    at = tab + 1;
  }
}

inline std::string latin1_to_utf8(std::string_view s) {
  std::string out;
  for (const char c : s) {
    const auto u = static_cast<unsigned char>(c);
    if (u < 0x80) out += c;
    else {
      out += char(0xc0 | (u >> 6));
      out += char(0x80 | (u & 0x3f));
    }
  }
  return out;
}

inline bool parse_number(std::string_view s, double& x) {
  const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), x);
  return error == std::errc() && end == s.data() + s.size();
}

/// The fields of a JSON object that a task wants: texts, numbers, true and false.
inline Task::Record json_record(const Task& task, const nlohmann::json& j) {
  Task::Record r;
  for (const std::string& f : task.fields) {
    const auto it = j.find(f);
    if (it == j.end()) continue;
    if (it->is_string()) r[f] = it->get<std::string>();
    else if (it->is_boolean()) r[f] = it->get<bool>() ? "true" : "false";
    else if (it->is_number()) r[f] = it->dump();
  }
  return r;
}
#endif

}  // namespace detail

/// The examples of a file's text: rated texts, a table with a header row and tabs (.tsv), or JSON, one object a line
/// (.jsonl, .json). `path` is its name in errors.
///   Throws FileError with the offset of the line that is wrong: a missing field, a label that the task does not know,
///   a file without examples.
TENZO_COMPILED std::vector<TextExample> parse_examples(const Task& task, std::string_view text,
                                                       const std::string& path);

#if TENZO_DEFINES(tasks)
/// A file whose rows are id, rating, text with tabs between them, in Latin-1: sentiment with label 1 where the rating
/// is at least 1, label 0 where it is at most −1; what lies between is left out.
inline bool is_rating_file(std::string_view text) {
  const auto parts = detail::split_tabs(text.substr(0, text.find('\n')));
  double rating;
  return parts.size() == 3 && !parts[0].empty() && detail::parse_number(parts[1], rating);
}

TENZO_COMPILED std::vector<TextExample> parse_examples(const Task& task, std::string_view text,
                                                       const std::string& path) {
  std::vector<TextExample> out;
  const auto add = [&](const Task::Record& r, std::int64_t offset) {
    for (const std::string& f : task.fields)
      if (!r.contains(f)) throw FileError(path, offset, cat("task ", task.name, " wants a field '", f, "'"));
    try {
      out.push_back(task.make(r));
    } catch (const ValueError& e) {
      throw FileError(path, offset, e.what());
    }
  };
  constexpr std::string_view mark = "\xef\xbb\xbf";  // that some editors write before UTF-8
  const std::int64_t skipped = text.starts_with(mark) ? std::int64_t(mark.size()) : 0;
  text.remove_prefix(std::size_t(skipped));
  const auto for_lines = [&](auto&& f) {
    detail::for_lines(text, [&](std::string_view line, std::int64_t offset) { f(line, offset + skipped); });
  };
  const bool sentiment = task.fields == std::vector<std::string>{"sentence", "label"};
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (sentiment && is_rating_file(text)) {
    for_lines([&](std::string_view line, std::int64_t offset) {
      if (line.empty()) return;
      const auto parts = detail::split_tabs(line);
      double rating = 0;
      if (parts.size() != 3 || !detail::parse_number(parts[1], rating))
        throw FileError(path, offset, "want a row of id, rating and text with tabs between them");
      if (rating >= 1 || rating <= -1)
        add({{"sentence", detail::latin1_to_utf8(parts[2])}, {"label", rating > 0 ? "1" : "0"}}, offset);
    });
  } else if (first != std::string::npos && text[first] == '{') {
    for_lines([&](std::string_view line, std::int64_t offset) {
      if (line.find_first_not_of(" \t") == std::string_view::npos) return;
      const auto j = [&] {
        try {
          return JsonObject::parse(line, path);
        } catch (const FileError& e) {
          throw FileError(path, offset, cat("the line ", e.reason));
        }
      }();
      add(detail::json_record(task, j.value()), offset);
    });
  } else {
    std::vector<std::string_view> names;
    for_lines([&](std::string_view line, std::int64_t offset) {
      if (line.empty()) return;
      const auto parts = detail::split_tabs(line);
      if (names.empty()) {
        names = parts;
        return;
      }
      if (parts.size() != names.size())
        throw FileError(path, offset, cat(parts.size(), " columns; the header row has ", names.size()));
      Task::Record r;
      for (const std::string& f : task.fields)
        if (const auto at = std::find(names.begin(), names.end(), f); at != names.end())
          r[f] = std::string(parts[std::size_t(at - names.begin())]);
      add(r, offset);
    });
  }
  if (out.empty()) throw FileError(path, 0, cat("holds no example of the task ", task.name));
  return out;
}
#endif

/// The examples of a file. Throws FileError where it can not be read, too.
TENZO_COMPILED std::vector<TextExample> read_examples(const Task& task, const std::string& path);

#if TENZO_DEFINES(tasks)
TENZO_COMPILED std::vector<TextExample> read_examples(const Task& task, const std::string& path) {
  return parse_examples(task, detail::read_text(path), path);
}
#endif

}  // namespace tenzo
