#include "claims.hpp"

#include <algorithm>
#include <cmath>

#include "../shared/claims.hpp"
#include "tenzo/core/error.hpp"

namespace worst_case {

using namespace tenzo;
using program_claims::about, program_claims::minus, program_claims::points;

namespace {

double largest_size(const std::vector<double>& x) {
  double m = 0;
  for (const double v : x) m = std::max(m, std::abs(v));
  return m;
}

class Judge {
 public:
  explicit Judge(const Results& r) : r_(r), ratio_(r.ratios.front()) {}

  std::vector<double> retrained(const std::string& kind, double Evaluation::*figure) const {
    return of_kind(r_.trials, ratio_, kind, [&](const Trial& t) { return t.methods.at("retrain").*figure; });
  }
  std::vector<double> gaps(const std::string& kind, const std::string& method, double ratio) const {
    return of_kind(r_.trials, ratio, kind, [&](const Trial& t) { return gap(t, method); });
  }
  std::vector<double> gaps(const std::string& kind, const std::string& method) const {
    return gaps(kind, method, ratio_);
  }
  bool has(const std::string& method) const {
    return std::find(r_.methods.begin(), r_.methods.end(), method) != r_.methods.end();
  }

  Claim central() const {
    const auto random = retrained("random", &Evaluation::ua), worst = retrained("worst", &Evaluation::ua);
    Claim c = about(
        "C1",
        "A model retrained without a random set errs on it by at least 3 points more than one retrained without the "
        "worst set errs on that (UA at most 0.5 and MIA at most 2 there)",
        minus(random, worst), "≥", 3);
    const double ua = mean_of(worst), mia = mean_of(retrained("worst", &Evaluation::mia));
    c.holds = c.holds && ua <= 0.5 && mia <= 2;
    c.reason = cat("UA ", points(mean_of(random)), " on random sets and ", points(ua), " on worst sets; MIA ",
                   points(mean_of(retrained("random", &Evaluation::mia))), " and ", points(mia));
    return c;
  }
  Claim utility() const {
    const auto ra = minus(retrained("worst", &Evaluation::ra), retrained("random", &Evaluation::ra));
    const auto ta = minus(retrained("worst", &Evaluation::ta), retrained("random", &Evaluation::ta));
    Claim c = about(
        "C2",
        "Retraining without the worst set is as accurate as without a random set: RA within 0.5, TA within 1 point", ta,
        "≥", -1);
    c.holds = std::abs(mean_of(ra)) <= 0.5 && std::abs(mean_of(ta)) <= 1;
    c.reason = cat("RA differs by ", points(mean_of(ra)), ", TA by ", points(mean_of(ta)),
                   " points on average (worst less random)");
    return c;
  }
  Claim spread() const {
    const double ua =
        deviation_of(retrained("worst", &Evaluation::ua)) / deviation_of(retrained("random", &Evaluation::ua));
    const double mia =
        deviation_of(retrained("worst", &Evaluation::mia)) / deviation_of(retrained("random", &Evaluation::mia));
    Claim c{.id = "C3",
            .statement = "Over seeds UA and MIA of worst sets spread at most a third as far as those of random sets",
            .value = std::max(ua, mia),
            .threshold = 1.0 / 3,
            .seeds = int(r_.originals.size()),
            .relation = "≤"};
    c.holds = ua <= c.threshold && mia <= c.threshold;
    c.reason = cat("ratios of the standard deviations: UA ", points(ua), ", MIA ", points(mia));
    return c;
  }
  Claim relabelling_free() const {
    Claim c =
        about("C4",
              "Fine-tuning looks better on the worst set: its gap to retraining is at least 1 point smaller than on a "
              "random set, and CF-1's and SCRUB's are smaller, too",
              minus(gaps("random", "ft"), gaps("worst", "ft")), "≥", 1);
    for (const char* other : {"cf-k", "scrub"}) {
      const double d = mean_of(minus(gaps("random", other), gaps("worst", other)));
      c.holds = c.holds && d > 0;
      c.reason += cat(c.reason.empty() ? "" : ", ", other, " ", points(d));
    }
    c.reason = "smaller by, in points: ft " + points(c.value) + ", " + c.reason;
    return c;
  }
  /// How much of the difference of random labels' gaps, worst less random, is MIA's quarter.
  double membership(double ratio) const {
    const auto part = [&](const char* kind) {
      return mean_of(of_kind(r_.trials, ratio, kind, [](const Trial& t) {
        return std::abs(t.methods.at("rl").mia - t.methods.at("retrain").mia) / 4;
      }));
    };
    return part("worst") - part("random");
  }
  Claim relabelling() const {
    Claim c =
        about("C5",
              "Random labels over-forget the worst set: their gap to retraining is at least 3 points larger than on a "
              "random set, driven by MIA; the other relabelling methods' is larger, too",
              minus(gaps("worst", "rl"), gaps("random", "rl")), "≥", 3);
    for (const double ratio : r_.ratios)
      for (const char* name : {"rl", "salun", "bs", "be"}) {
        if (!has(name) || ratio < 0.05) continue;
        const double d = mean_of(minus(gaps("worst", name, ratio), gaps("random", name, ratio)));
        c.holds = c.holds && d > (std::string(name) == "rl" ? 3 : 0);
        if (std::string(name) == "rl") c.holds = c.holds && membership(ratio) > d / 2;
        c.reason += cat(c.reason.empty() ? "" : ", ", name, " ", points(d),
                        r_.ratios.size() > 1 ? cat(" at ", 100 * ratio, " %") : "");
      }
    c.reason = "larger by, in points: " + c.reason + "; MIA's part of it for rl " + points(membership(ratio_));
    if (has("bs")) c.reason += "; bs takes the nearest wrong class where its attack leaves a sample in its own";
    if (!c.holds)
      c.reason += ". The effect grows with the step sizes; how they are chosen is said beside the figure of gaps";
    return c;
  }
  Claim reversal() const {
    const auto best = [&](const std::string& kind, bool relabelling) {
      double least = INFINITY;
      for (const std::string& name : r_.methods) {
        if (name == "retrain" || unlearn::relabels(unlearn::method_named(name)) != relabelling) continue;
        least = std::min(least, mean_of(gaps(kind, name)));
      }
      return least;
    };
    const double random = best("random", true) - best("random", false),
                 worst = best("worst", true) - best("worst", false);
    Claim c{.id = "C6",
            .statement =
                "The ranks reverse: the best relabelling method beats the best other one on random sets and loses on "
                "worst sets",
            .value = random,
            .threshold = 0,
            .seeds = int(r_.originals.size()),
            .relation = "<"};
    c.holds = random < 0 && worst > 0;
    c.reason = cat("best relabelling less best other gap: ", points(random), " on random sets, ", points(worst),
                   " on worst sets");
    return c;
  }
  Claim coresets() const {
    std::vector<double> gain;
    for (const Coreset& s : r_.coresets)
      if (s.kept == 0.3) gain.push_back(s.accuracy.at("complement of the worst set") - s.accuracy.at("random"));
    return about("C7",
                 "What the worst set leaves is a coreset: at 30 % kept it gives at least 2 points more test accuracy "
                 "than a random part",
                 gain, "≥", 2);
  }
  Claim both_ends() const {
    Claim c = about(
        "C8", "The score orders samples at both ends: retraining without the easiest set errs on at least 30 % of it",
        retrained("easiest", &Evaluation::ua), "≥", 30);
    c.reason = cat("UA ", points(mean_of(retrained("worst", &Evaluation::ua))), " at the hard end, ", points(c.value),
                   " at the easy end");
    return c;
  }
  Claim transfer() const {
    std::map<std::uint64_t, double> worse;  // of the two moves of each seed's set
    for (const Trial& t : r_.transfers) {
      const double each = t.methods.at("retrain").ua;
      const auto [at, first] = worse.emplace(t.seed, each);
      if (!first) at->second = std::max(at->second, each);
    }
    for (const Trial& t : r_.residual)
      if (t.kind == "worst") worse.begin()->second = std::max(worse.begin()->second, t.methods.at("retrain").ua);
    std::vector<double> ua;
    for (const auto& [seed, each] : worse) ua.push_back(each);
    Claim c = about(
        "C9",
        cat("A set transfers: found with one seed on one architecture, its UA is at most 1 after retraining another "
            "seed and on ",
            r_.other_arch, r_.residual.empty() ? "" : ", of the first seed on a ResNet-18, too"),
        ua, "≤", 1);
    c.holds = c.holds && *std::max_element(ua.begin(), ua.end()) <= 1;
    c.reason = cat("the worst of them, at most ", points(*std::max_element(ua.begin(), ua.end())));
    return c;
  }
  Claim confounder() const {
    const auto overlap = of_kind(r_.trials, ratio_, "worst", [](const Trial& t) { return t.overlap; });
    const auto ua = minus(retrained("worst", &Evaluation::ua), retrained("lowest loss", &Evaluation::ua));
    const auto mia = minus(retrained("worst", &Evaluation::mia), retrained("lowest loss", &Evaluation::mia));
    Claim c = about(
        "C10",
        "Without an implicit term the search is an iterated choice of the lowest losses: their plain list gives the "
        "same UA and MIA within 0.5 points",
        ua, "≤", 0.5);
    c.holds = largest_size(ua) <= 0.5 && largest_size(mia) <= 0.5;
    c.reason = cat("overlap with the lowest losses of the original model ", points(mean_of(overlap)),
                   "; UA differs by at most ", points(largest_size(ua)), ", MIA by ", points(largest_size(mia)));
    if (has("rl"))
      c.reason += cat("; gap of random labels ", points(mean_of(gaps("worst", "rl"))), " and ",
                      points(mean_of(gaps("lowest loss", "rl"))));
    return c;
  }
  Claim starts() const {
    std::map<std::uint64_t, double> stuck, reached;  // by seed: share exchanged; the largest UA of those that can move
    for (const Start& s : r_.starts) {
      if (s.binary && s.rate == 1e-3) stuck[s.seed] = s.moved;
      if (!s.binary || s.rate == 0) reached[s.seed] = std::max(reached[s.seed], s.ua);
    }
    std::vector<double> moved, ua;
    for (const auto& [seed, each] : stuck) moved.push_back(each);
    for (const auto& [seed, each] : reached) ua.push_back(each);
    Claim c =
        about("C11",
              "With the published step of 1e-3 from a binary start the set can not move; from a uniform start, or with "
              "normalised steps, it reaches UA 0 (at most 0.5)",
              moved, "≤", 0.01);
    c.holds = c.holds && largest_size(ua) <= 0.5;
    c.reason =
        cat(points(100 * c.value), " % of the set were exchanged; UA at most ", points(largest_size(ua)), " elsewhere");
    return c;
  }
  Claim derivatives() const {
    const auto of = [&](const std::string& name, double Derivative::*figure) {
      std::vector<double> out;
      for (const auto& seed : r_.derivatives)
        out.push_back((*std::find_if(seed.begin(), seed.end(), [&](const Derivative& d) { return d.name == name; })).*
                      figure);
      return out;
    };
    const auto implicit = of("implicit", &Derivative::cosine), unrolled = of("unrolled", &Derivative::cosine);
    std::vector<double> least(implicit.size());
    for (std::size_t i = 0; i < least.size(); ++i) least[i] = std::min(implicit[i], unrolled[i]);
    Claim c = about("C12",
                    "The sample losses alone point nearly where the full upper gradients point: cosine at least 0.9 "
                    "with the implicit and the unrolled one",
                    least, "≥", 0.9);
    const auto seconds = [&](const char* name) { return points(mean_of(of(name, &Derivative::seconds))); };
    const auto memory = [&](const char* name) { return points(mean_of(of(name, &Derivative::megabytes))); };
    c.reason = cat("cosines ", points(mean_of(unrolled)), " and ", points(mean_of(implicit)), "; seconds: signs ",
                   seconds("signs"), ", unrolled ", seconds("unrolled"), ", implicit ", seconds("implicit"));
    if (mean_of(of("implicit", &Derivative::megabytes)) > 0)
      c.reason += cat("; peak MB: ", memory("signs"), ", ", memory("unrolled"), ", ", memory("implicit"));
    return c;
  }

 private:
  const Results& r_;
  double ratio_;
};

}  // namespace

std::vector<Claim> judge(const Results& r) {
  const Judge j(r);
  std::vector<Claim> out{j.central(), j.utility()};
  if (r.originals.size() >= 3) out.push_back(j.spread());
  out.push_back(j.relabelling_free());
  out.push_back(j.relabelling());
  if (r.methods.size() > 6) out.push_back(j.reversal());
  if (!r.coresets.empty()) out.push_back(j.coresets());
  out.push_back(j.both_ends());
  if (!r.transfers.empty()) out.push_back(j.transfer());
  out.push_back(j.confounder());
  if (!r.starts.empty()) out.push_back(j.starts());
  if (!r.derivatives.empty()) out.push_back(j.derivatives());
  return out;
}

}  // namespace worst_case
