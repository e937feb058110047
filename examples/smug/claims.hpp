// The paper's claims, judged on the study's figures.
#pragma once

#include <vector>

#include "study.hpp"
#include "tenzo/io/claim.hpp"

namespace smug {

std::vector<tenzo::Claim> judge_claims(const Results& r, const Sizes& s);

}  // namespace smug
