// The paper's claims, judged on the study's figures.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "study.hpp"
#include "tenzo/io/claim.hpp"

namespace worst_case {

/// All that a run has measured.
struct Results {
  std::vector<std::string> methods;
  std::map<double, std::map<std::string, double>> rates;  // step sizes of the methods, by ratio
  std::vector<double> ratios;                             // the first is the one that most claims are of
  std::vector<Original> originals;
  std::vector<Trial> trials;
  std::vector<std::vector<double>> deciles;  // UA by tenths of rising loss, of each seed
  std::vector<ClassTrial> classes;           // of the first seed
  std::vector<Coreset> coresets;
  std::vector<Trial> transfers;  // sets of the first architecture, retrained from another seed and on another one
  std::string other_arch;
  struct Start {      // of the study of step sizes and starts: retraining's UA of the set that comes out
    double rate = 0;  // 0: normalised
    bool binary = false;
    double ua = NAN, moved = NAN;  // share of the set that is not in the first one

    NLOHMANN_DEFINE_TYPE_INTRUSIVE(Start, rate, binary, ua, moved)
  };
  std::vector<Start> starts;
  std::vector<Derivative> derivatives;
};

std::vector<tenzo::Claim> judge(const Results& r);

}  // namespace worst_case
