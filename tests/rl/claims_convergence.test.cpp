// How the program dqn judges fitted Q-iteration: each margin from both sides.
#include "../../examples/dqn/claims_convergence.cpp"

#include <doctest/doctest.h>

#include "dqn_results.hpp"

using namespace tenzo;
using dqn::Rate, dqn::Region, dqn::Results, dqn::Sampled;
using test::good_results, test::judged;

namespace {

bool says(const Claim& c, const std::string& words) { return c.reason.find(words) != std::string::npos; }

/// A change of the rates of one process, discount and ε.
template <class F>
auto rate(std::int64_t mdp, double gamma, double epsilon, F&& f) {
  return [=](Results& r) {
    for (Rate& each : r.rates)
      if (each.mdp == mdp && each.gamma == gamma && each.epsilon == epsilon) f(each);
  };
}

/// Successes of ten runs of all processes in a cell.
auto successes(std::vector<Region> Results::*cells, double delta, const std::string& schedule, int n) {
  return [=](Results& r) {
    for (Region& c : r.*cells)
      if (c.delta == delta && c.schedule == schedule) c.successes = n;
  };
}

}  // namespace

TEST_CASE("claims of convergence: all hold on results that are made so, with their intervals and seeds") {
  for (const Claim& c : dqn::convergence_claims(good_results())) {
    CAPTURE(c.id);
    CAPTURE(c.reason);
    CHECK(c.holds);
    CHECK(std::isfinite(c.value));
    CHECK(c.seeds == (c.id == "C1" || c.id == "C2" ? 10 : c.id == "C5" || c.id == "C6" ? 3 : 4));
    if (c.id == "C1") continue;
    CHECK(c.ci95[0] <= c.ci95[1]);
  }
}

TEST_CASE("C1: straight in nine of ten processes") {
  const auto bent = [](int n, double whole, double last) {
    return [=](Results& r) {
      for (Rate& each : r.rates)
        if (each.mdp < n && each.epsilon == 1) each.whole_r2 = whole, each.last_r2 = last;
    };
  };
  CHECK(judged("C1", bent(1, 0.929, 0.9999)).holds);
  CHECK_FALSE(judged("C1", bent(2, 0.929, 0.9999)).holds);
  CHECK(judged("C1", bent(10, 0.931, 0.9991)).holds);
  CHECK_FALSE(judged("C1", bent(10, 0.931, 0.9989)).holds);
  CHECK_FALSE(judged("C1", bent(2, NAN, NAN)).holds);
}

TEST_CASE("C2: rates as in theory, in order, and apart") {
  for (const double gamma : {0.8, 0.9})
    for (const double epsilon : {0.05, 1.}) {  // judged wherever there is a rate
      CHECK(judged("C2", rate(3, gamma, epsilon, [](Rate& e) { e.tail = e.rho + 0.0029; })).holds);
      CHECK_FALSE(judged("C2", rate(3, gamma, epsilon, [](Rate& e) { e.tail = e.rho + 0.0031; })).holds);
      CHECK_FALSE(judged("C2", rate(3, gamma, epsilon, [](Rate& e) { e.tail = e.rho - 0.0031; })).holds);
    }
  CHECK_FALSE(judged("C2", rate(0, 0.9, 0.2, [](Rate& e) { e.norm = e.rho - 1e-6; })).holds);
  CHECK_FALSE(judged("C2", rate(0, 0.9, 0.2, [](Rate& e) { e.norm = e.bound + 1e-6; })).holds);
  CHECK_FALSE(judged("C2", rate(0, 0.9, 0.2, [](Rate& e) { e.bound = NAN; })).holds);
  CHECK_FALSE(judged("C2", rate(5, 0.8, 1, [](Rate& e) { e.tail = NAN; })).holds);
  CHECK_FALSE(judged("C2", rate(5, 0.8, 0.2, [](Rate& e) { e.rho = e.norm = NAN; })).holds);
  const Claim unfinished = judged("C2", rate(5, 0.9, 1, [](Rate& e) { e.tail = NAN; }));
  CHECK(unfinished.holds);
  CHECK(says(unfinished, "1 had not come to 1e-12"));
  CHECK(says(unfinished, "in 20 H is singular"));
  const auto apart = [](double by) {
    return rate(7, 0.8, 1, [=](Rate& e) { e.rho = 0.794 + by, e.tail = e.rho + 0.0005, e.norm = e.rho + 0.004; });
  };
  CHECK(judged("C2", apart(0.0301)).holds);
  CHECK_FALSE(judged("C2", apart(0.0299)).holds);
  CHECK(says(judged("C2", apart(0.0301)), "the least is 0.0301"));
  CHECK(judged("C2", apart(0.0301)).value == doctest::Approx((9 * 0.056 + 0.0301) / 10));
}

TEST_CASE("C3: the region's growth") {
  CHECK(judged("C3", successes(&Results::regions, 0.3, "constant:0", 4)).holds);
  CHECK_FALSE(judged("C3", successes(&Results::regions, 0.3, "constant:0", 5)).holds);
  CHECK(judged("C3", successes(&Results::regions, 0.6, "constant:0.05", 5)).holds);
  CHECK_FALSE(judged("C3", successes(&Results::regions, 0.6, "constant:0.05", 6)).holds);
}

TEST_CASE("C4: successes, iterations and tails of a decaying ε, process by process") {
  const std::string decay = "geometric:1:0.02:0.9";
  CHECK(judged("C4", successes(&Results::decays, 0.6, decay, 8)).holds);
  CHECK_FALSE(judged("C4", successes(&Results::decays, 0.6, decay, 7)).holds);
  const auto all = [&](double Region::*figure, double value) {
    return [=](Results& r) {
      for (Region& c : r.decays)
        if (c.schedule == decay) c.*figure = value;
    };
  };
  CHECK(judged("C4", all(&Region::iterations, 33.9)).holds);
  CHECK_FALSE(judged("C4", all(&Region::iterations, 34.1)).holds);
  CHECK(judged("C4", all(&Region::tail, 0.8199)).holds);
  CHECK_FALSE(judged("C4", all(&Region::tail, 0.8201)).holds);
  // One process without a success says nothing of iterations; the others' ratios are paired.
  const Claim some = judged("C4", [&](Results& r) {
    int k = 0;
    for (Region& c : r.decays)
      if (c.schedule == decay) {
        if (k == 0) c.iterations = c.tail = NAN;
        else c.iterations = k == 1 ? 28 : k == 2 ? 30 : 32;
        ++k;
      }
  });
  CHECK(some.value == doctest::Approx(0.75));
  CHECK(some.ci95[0] == doctest::Approx(0.75 - 4.30265 * 0.05 / std::sqrt(3.)).epsilon(1e-5));
  CHECK(some.holds);
}

TEST_CASE("C5: the slope by the number of samples") {
  for (const auto& [slope, holds] : {std::pair{-0.63, false}, {-0.61, true}, {-0.36, true}, {-0.34, false}}) {
    const Claim c = judged("C5", [slope = slope](Results& r) {
      for (Sampled& s : r.samples)
        if (s.epsilon == 0.3) s.uniform = std::pow(double(s.transitions), slope);
    });
    CHECK(c.value == doctest::Approx(slope));
    CHECK(c.holds == holds);
    CHECK(says(c, "N from 250 to 16000"));
  }
}

TEST_CASE("C6: small ε against 0.5, process by process") {
  const auto few = [](double uniform) {
    return [=](Results& r) {
      for (Sampled& s : r.samples)
        if (s.epsilon <= 0.05) s.uniform = uniform * (1 + 0.1 * double(s.mdp - 1));
    };
  };
  CHECK(judged("C6", few(0.0321)).holds);
  CHECK_FALSE(judged("C6", few(0.0319)).holds);
  const Claim c = judged("C6", few(0.064));
  CHECK(c.value == doctest::Approx(2));
  CHECK(c.ci95[1] == doctest::Approx(2 + 4.30265 * 0.2 / std::sqrt(3.)).epsilon(1e-5));
}
