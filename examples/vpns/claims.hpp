// The paper's claims, judged on the study's figures.
#pragma once

#include <vector>

#include "study.hpp"
#include "tenzo/io/claim.hpp"

namespace vpns {

std::vector<tenzo::Claim> judge(const Results& r);

}  // namespace vpns
