// The subcommands of zo_llm. Each returns the exit status; errors are exceptions.
#pragma once

#include <string>

#include "options.hpp"

namespace zo_llm {

struct Evaluate : Common {
  std::string split = "test", json;
  std::int64_t train = 1000, dev = 500, test = 1000;
};
struct Replay : Common {
  std::string log, save, save_type = "f16", save_adapter;
  bool unfinished = false;

  Replay() { dtype = "log"; }  // that of the run
};
struct Generate : Common {
  std::string prompt;
  std::int64_t tokens = 64, top_k = 0;
  double temperature = 0, top_p = 1;
  std::uint64_t seed = 1;
};
struct Score : Common {
  std::string text, json;
};

int finetune(const Finetune& o);
int evaluate(const Evaluate& o);
int replay(const Replay& o);
int generate(const Generate& o);
int score(const Score& o);

}  // namespace zo_llm
