// What can be asked of zo_llm.
#pragma once

#include <cstdint>
#include <string>

namespace zo_llm {

/// Options of every subcommand.
struct Common {
  std::string model, task = "sst2", data, device = "cpu", dtype = "f32";
  int threads = 0;  // 0: all
};

struct Finetune : Common {
  std::string method = "zo-sgd", scheme = "full", layers, directions = "gaussian", schedule = "constant";
  std::string lr = "auto", eps = "auto", zo_lr = "auto";
  std::int64_t steps = 300, batch = 16, eval_every = 50, checkpoint_every = 5;
  std::int64_t train = 1000, dev = 500, test = 1000;
  int queries = 1, rank = 0, lora_rank = 8, prefix = 5, prompt = 10, hybrid = 0, max_skips = 20;
  bool one_sided = false, resume = false;
  std::string blocks, mask, order = "jacobi";
  double momentum = 0.9, weight_decay = 0, lora_alpha = 16;
  std::uint64_t seed = 1;
  std::string log, checkpoint, save, save_type = "f16", save_adapter, out;
};

}  // namespace zo_llm
