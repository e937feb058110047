// The paper's claims, evaluated: `zo_llm --quick` and `--full`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "options.hpp"
#include "tenzo/io/claim.hpp"

namespace zo_llm {

struct Claims : Common {
  bool full = false, resume = false;
  std::uint64_t seed = 1;
  int seeds = 0;  // 0: one in quick, three in full
  std::string out = "zo_llm-out";
};

/// C1: orders of the estimators' errors; C2: the law of the squared cosine; C3: the same bits from a replay, whose log
/// is written to the folder and removed.
tenzo::Claim estimator_orders();
tenzo::Claim cosine_law(std::uint64_t seed);
tenzo::Claim replay_bits(const std::string& folder);

int claims(const Claims& o);

}  // namespace zo_llm
