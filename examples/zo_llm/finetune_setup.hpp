// From the options of `zo_llm finetune` to a run: what is checked before any work is done, and what is made of them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "files.hpp"
#include "memory.hpp"
#include "options.hpp"
#include "run.hpp"
#include "tenzo/models/adapters.hpp"

namespace zo_llm {

/// Throws ValueError where options of the directions do not go together.
void check_directions(const Finetune& o);

/// What is added and trained of a model of so many blocks. Throws ValueError for a range of blocks that is none.
tenzo::AdapterOptions adapter_options(const Finetune& o, std::size_t depth);

/// The examples of a step: an epoch's permutation, cut into batches, decided by seed and step alone.
Batch batch_of(const std::vector<tenzo::EncodedExample>& train, std::uint64_t seed, std::int64_t step,
               std::int64_t batch);
std::int64_t tokens_of(const Batch& batch);

/// The run on `model`, which is placed anew, with its rates chosen and announced where they are auto. `live` is the
/// file that it goes on from after a crash, or empty.
std::unique_ptr<Run> make_run(const Finetune& o, const tenzo::LanguageModel& base, Placed& model,
                              const EncodedTask& task, const std::string& live);

/// What the sizes of a run foretell, with a method in place of its own: its longest batch, or the 512 tokens of one
/// side that are scored at once.
MemoryEstimate predicted_memory(const Finetune& o, const Model& model, const EncodedTask& task, const Run& run,
                                std::int64_t longest, const std::string& method);

}  // namespace zo_llm
