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
  std::map<double, std::map<std::string, StepSize>> rates;  // step sizes of the methods, by ratio
  std::vector<double> ratios;                               // the first is the one that most claims are of
  std::vector<Original> originals;
  std::vector<Trial> trials;
  std::vector<std::vector<double>> deciles;  // UA by tenths of rising loss, of each seed
  std::vector<ClassTrial> classes;           // of the first seed
  std::vector<Coreset> coresets;
  std::vector<Trial> transfers;  // sets of the first architecture, retrained from another seed and on another one
  std::string other_arch;
  std::vector<Trial> residual;                       // the first seed's on a ResNet-18, and its own worst set
  std::vector<Start> starts;                         // of all seeds
  std::vector<std::vector<Derivative>> derivatives;  // by seed
  std::vector<Lira> lira;                            // of the first seed
  std::int64_t shadow_models = 0;
};

std::vector<tenzo::Claim> judge(const Results& r);

}  // namespace worst_case
