// What the programs' command lines have in common: a wrong one gets one clear line and status 2.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

#include "tenzo/core/error.hpp"
#include "tenzo/io/device_option.hpp"

namespace command_line {

/// Insertions, deletions, substitutions and swaps of neighbours that make one word of another.
inline std::size_t edits(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i)
    for (std::size_t k = 0; k <= b.size(); ++k) {
      if (i == 0 || k == 0) {
        d[i][k] = i + k;
        continue;
      }
      d[i][k] = std::min({d[i - 1][k] + 1, d[i][k - 1] + 1, d[i - 1][k - 1] + (a[i - 1] != b[k - 1])});
      if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
        d[i][k] = std::min(d[i][k], d[i - 2][k - 2] + 1);
    }
  return d[a.size()][b.size()];
}

/// The first word of the command line that means nothing, and what may have been meant; empty where there is none.
inline std::string unknown_word(const CLI::App& app) {
  std::string word;
  for (const std::string& w : app.remaining(true))
    if (word.empty() && w != "--") word = w;
  if (word.empty()) return {};
  word = word.substr(0, word.find('='));
  std::vector<std::string> known;
  if (word.front() == '-') {
    const auto subcommands = app.get_subcommands();
    for (const CLI::Option* option : (subcommands.empty() ? &app : subcommands.front())->get_options())
      known.push_back(option->get_name());
  } else {
    for (const CLI::App* s : app.get_subcommands([](const CLI::App* s) { return !s->get_group().empty(); }))
      known.push_back(s->get_name());
    if (std::find(known.begin(), known.end(), word) != known.end())
      return tenzo::cat(word, " stands behind another subcommand; want one of them");
  }
  std::string text =
      tenzo::cat(word.front() == '-' ? "unknown option " : "unexpected word ", tenzo::one_line(word, 60));
  const auto distance = [&](const std::string& name) { return name.starts_with(word) ? 0 : edits(word, name); };
  const auto nearest = std::min_element(known.begin(), known.end(),
                                        [&](const auto& a, const auto& b) { return distance(a) < distance(b); });
  if (nearest != known.end() && distance(*nearest) <= 2) text += tenzo::cat("; did you mean ", *nearest, "?");
  return text;
}

/// Says in one line why a command line is refused; the status to end with.
inline int refused(const char* program, const CLI::App& app, const CLI::ParseError& error) {
  std::string why = unknown_word(app);  // told first: it may be why a required option is missing
  if (why.empty()) why = error.what();
  std::replace(why.begin(), why.end(), '\n', ' ');
  if (const std::size_t at = why.find(": At Most 1 required"); at != std::string::npos)
    why = why.substr(0, at) + " is given more than once";
  std::fprintf(stderr, "%s: %s (see --help)\n", program, why.c_str());
  return 2;
}

/// Parses a command line and calls run(), which returns the status to end with. What is wrong with it, or thrown later,
/// is one line and status 2.
///   Options of the program itself are those of a call without a subcommand: one before a subcommand would have no
///   effect, and is refused.
template <class Run>
int run(const char* program, CLI::App& app, int argc, char** argv, Run&& run) {
  try {
    app.parse(argc, argv);
    if (!app.get_subcommands().empty())
      for (const CLI::Option* option : app.get_options())
        if (option->count() > 0)
          throw tenzo::ValueError(
              tenzo::cat(option->get_name(), " stands before the subcommand, which would not see it"));
    return run();
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // help
    return refused(program, app, error);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", program, error.what());
    return 2;
  }
}

/// --device. It is looked at when the command line is: what keeps a GPU from being used is said before any work.
inline void add_device(CLI::App& app, tenzo::DeviceOption& device) {
  app.add_option_function<std::string>(
         "--device", [&device](const std::string& name) { device = tenzo::device_named(name); }, "cpu or cuda")
      ->default_str("cpu");
}

/// The number that a text is; NaN where it is none.
inline double number(const std::string& text) {
  double x = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), x);
  return error == std::errc() && end == text.data() + text.size() ? x : NAN;
}

/// A number that is not below `least`, and that 63 bits hold.
inline CLI::Validator at_least(int least) {
  return {[least](const std::string& text) {
            const double x = number(text);
            std::int64_t whole = 0;
            if (std::from_chars(text.data(), text.data() + text.size(), whole).ec == std::errc::result_out_of_range)
              return tenzo::cat("is ", text, "; want less than 2^63");
            return x >= least ? std::string() : tenzo::cat("is ", text, "; want at least ", least);
          },
          least > 0 ? "POSITIVE" : "NONNEGATIVE"};
}

/// A number from `low` to `high`; NaN is none.
inline CLI::Validator between(double low, double high) {
  return {[=](const std::string& text) {
            const double x = number(text);
            return x >= low && x <= high ? std::string()
                                         : tenzo::cat("is ", text, "; want a number from ", low, " to ", high);
          },
          "NUMBER"};
}

inline const CLI::Validator a_path(
    [](const std::string& text) { return text.empty() ? "is empty; want the name of a file or folder" : ""; }, "PATH");

}  // namespace command_line
