// What the subcommands share: loading a model and a task, saving a tuned model.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "options.hpp"
#include "scoring.hpp"
#include "tenzo/io/outputs.hpp"
#include "tenzo/io/process.hpp"
#include "tenzo/io/task_split.hpp"
#include "tenzo/models/language_model.hpp"

namespace zo_llm {

/// A task's examples as tokens, with their texts.
struct EncodedTask {
  tenzo::TaskLoss loss = tenzo::TaskLoss::classification;
  tenzo::TaskData texts;
  std::vector<tenzo::EncodedExample> train, dev, test;
};

/// The model and the reviews that the set-up fetched: TENZO_SMOLLM2 in the environment, else `data/` of the source
/// tree.
std::string fetched_model();
std::string fetched_reviews();

/// Applies --threads and --device. Throws ValueError for a device that is not there.
void apply_machine_options(const Common& o);

/// A hash of the examples' tokens and labels: equal for equal data, tokenizer and split.
std::uint64_t fingerprint(const EncodedTask& task);

EncodedTask load_task(const Common& o, const tenzo::LanguageModel& m, const tenzo::SplitOptions& split);

/// Throws where the model of a path can not be saved as a path and format say, before any work is done: the folder for
/// it, its format, and a tokenizer that can be written there.
void check_save(const std::string& model, const std::string& path, const std::string& type);

/// Throws ValueError where what a scheme trains can not be folded into the weights.
void check_merges(tenzo::Scheme scheme);

/// Writes a GGUF file, a safetensors file or a folder, by the path's ending, with what belongs to it from the base
/// model.
void save_model(const tenzo::LanguageModel& base, const Model& model, const std::string& path, const std::string& type);

/// What is written in a folder for an adapter.
inline const std::vector<std::string> adapter_files = {"adapter_model.safetensors", "adapter_config.json"};

/// Throws FileError where a replay log can not be written, or only over something else than a replay log.
void check_log(const std::string& path);
/// The name of a replay log until its run has ended.
inline std::string unfinished_log(const std::string& path) { return path + ".part"; }

}  // namespace zo_llm
