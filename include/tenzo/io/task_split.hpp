// Data sets of tasks, split for training, selection and judgement.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "tenzo/core/compiled.hpp"
#include "tenzo/core/philox.hpp"
#include "tenzo/io/task.hpp"

namespace tenzo {

/// Examples to train on, to choose by, and to judge by; disjoint.
struct TaskData {
  std::vector<TextExample> train, dev, test;
};

struct SplitOptions {
  std::int64_t train = 1000, dev = 500, test = 1000;  // at most so many
  std::uint64_t seed = 0;                             // of the permutation, the same for all runs
};

/// The numbers 0 … n − 1 in an order that (seed, stream) decides: sorted by 64 random bits each.
TENZO_COMPILED std::vector<std::int64_t> shuffled(std::int64_t n, std::uint64_t seed, std::uint32_t stream);

#if TENZO_DEFINES(tasks)
TENZO_COMPILED std::vector<std::int64_t> shuffled(std::int64_t n, std::uint64_t seed, std::uint32_t stream) {
  std::vector<std::pair<std::uint64_t, std::int64_t>> keys;
  for (std::int64_t i = 0; i < n; ++i) {
    const auto block = philox4x32({std::uint32_t(i), std::uint32_t(i >> 32), stream, 0}, seed);
    keys.emplace_back(std::uint64_t(block[0]) << 32 | block[1], i);
  }
  std::sort(keys.begin(), keys.end());
  std::vector<std::int64_t> order;
  for (const auto& k : keys) order.push_back(k.second);
  return order;
}
#endif

namespace detail {

/// Shuffled, and with the labels taken in turn as long as there are some of each.
inline std::vector<TextExample> shuffled_in_turn(std::vector<TextExample> all, std::uint64_t seed,
                                                 std::uint32_t stream) {
  std::vector<std::vector<std::int64_t>> by_label;
  for (const std::int64_t i : shuffled(std::int64_t(all.size()), seed, stream)) {
    const auto label = std::size_t(all[std::size_t(i)].label);
    if (by_label.size() <= label) by_label.resize(label + 1);
    by_label[label].push_back(i);
  }
  std::vector<TextExample> out;
  for (std::size_t round = 0; out.size() < all.size(); ++round)
    for (const auto& of : by_label)
      if (round < of.size()) out.push_back(std::move(all[std::size_t(of[round])]));
  return out;
}

inline std::vector<TextExample> take(std::vector<TextExample>& from, std::int64_t n) {
  const auto some = std::ptrdiff_t(std::min<std::int64_t>(n, std::int64_t(from.size())));
  std::vector<TextExample> out(std::make_move_iterator(from.begin()), std::make_move_iterator(from.begin() + some));
  from.erase(from.begin(), from.begin() + some);
  return out;
}

inline std::string find_file(const std::filesystem::path& folder, const std::vector<std::string>& stems) {
  std::error_code ignored;
  for (const std::string& stem : stems)
    for (const char* ending : {".tsv", ".jsonl", ".json", ".txt"})
      if (const auto p = folder / (stem + ending); std::filesystem::is_regular_file(p, ignored)) return p.string();
  return {};
}

}  // namespace detail

/// Reads a task's data: one file, which is split; or a folder with train and dev (or val, validation) files, of which
/// the train file gives train and dev, the other one test; or a folder with one file of rated film reviews.
///   Where there are too few examples each part has the share of them that it was to have. Throws FileError where there
///   is nothing to read, or nothing for a part that was asked for.
TENZO_COMPILED TaskData read_task(const Task& task, const std::string& path, const SplitOptions& o = {});

#if TENZO_DEFINES(tasks)
TENZO_COMPILED TaskData read_task(const Task& task, const std::string& path, const SplitOptions& o) {
  std::error_code ignored;
  std::string train = path, test;
  if (std::filesystem::is_directory(path, ignored)) {
    train = detail::find_file(path, {"train", "movieReviewSnippets_GroundTruth"});
    test = detail::find_file(path, {"dev", "val", "validation"});
    if (train.empty())
      throw FileError(path, -1, "holds no train.tsv, train.jsonl or movieReviewSnippets_GroundTruth.txt");
  }
  TaskData data;
  std::vector<TextExample> all = detail::shuffled_in_turn(read_examples(task, train), o.seed, 0);
  const double wanted = double(o.train) + double(o.dev) + (test.empty() ? double(o.test) : 0);
  const double share = std::min(1.0, double(all.size()) / std::max(1.0, wanted));  // of a small file: the same of each
  data.train = detail::take(all, std::int64_t(double(o.train) * share));
  data.dev = detail::take(all, test.empty() ? std::int64_t(double(o.dev) * share) : o.dev);
  if (test.empty()) data.test = detail::take(all, o.test);
  if (!test.empty()) {
    std::vector<TextExample> held = detail::shuffled_in_turn(read_examples(task, test), o.seed, 1);
    data.test = detail::take(held, o.test);
  }
  if ((o.train > 0 && data.train.empty()) || (o.dev > 0 && data.dev.empty()) || (o.test > 0 && data.test.empty()))
    throw FileError(path, -1,
                    cat("has too few examples to split: ", data.train.size(), " to train, ", data.dev.size(),
                        " to choose by, ", data.test.size(), " to judge by"));
  return data;
}
#endif

}  // namespace tenzo
