#include "claims.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "../shared/claims.hpp"
#include "tenzo/core/error.hpp"
#include "tenzo/stats/log_slope.hpp"

namespace smug {

using namespace tenzo;
using program_claims::about, program_claims::minus, program_claims::points;

namespace {

/// With the reason, which every claim has: it says what was measured.
Claim with(Claim c, std::string reason) {
  c.reason = std::move(reason);
  return c;
}

class Judge {
 public:
  Judge(const Results& r, const Sizes& s) : r_(r), s_(s) {}

  /// Means over slices, by seed, in dB.
  std::vector<double> psnr(const std::string& method, const std::string& condition) const {
    return over_seeds(r_.judged, method, condition);
  }
  bool has(const std::string& method) const {
    return std::find(r_.methods.begin(), r_.methods.end(), method) != r_.methods.end();
  }
  std::string shown(const std::string& method, const std::string& condition) const {
    return points(mean_of(psnr(method, condition)));
  }

  Claim operators() const {
    double forms = 0;
    for (const auto& [step, weights] : r_.identities) forms = std::max({forms, step, weights});
    const OperatorErrors& e = r_.operators;
    // each over what it may be
    const double worst =
        std::max({e.adjoint / 1e-13, e.adjoint_float / 1e-6, e.solvers / 1e-5, e.derivatives / 1e-5, forms / 1e-5});
    Claim c{.id = "C1",
            .statement =
                "Operators are what they are said to be: the adjoint to 1e-13 (float 1e-6), conjugate "
                "gradients the exact rows to 1e-5, vector-Jacobian products central differences to 1e-5, "
                "SMUGv0 and equal weights SMUG to 1e-5",
            .value = worst,
            .threshold = 1,
            .seeds = int(r_.seeds.size()),
            .holds = worst <= 1,
            .relation = "≤"};
    return with(c, cat("Adjoint ", e.adjoint, " (float ", e.adjoint_float, "), solvers ", e.solvers, ", derivatives ",
                       e.derivatives, ", forms of SMUG ", forms, "; the value is the largest share of its limit."));
  }

  Claim brittleness() const {
    const auto clean = psnr("vanilla", "clean"), attacked = psnr("vanilla", "adaptive 20"),
               random = psnr("vanilla", "random 20"), zero = psnr("vanilla", "zero-filled 20");
    // what the worst case costs beyond random noise of equal size
    Claim c = about("C2",
                    "Vanilla MoDL is brittle: under the worst 20 % it loses 4 dB more than under random noise of the "
                    "same size, and is worse than the zero-filled image of the same data",
                    minus(random, attacked), "≥", 4);
    const double below = mean_of(minus(zero, attacked));
    c.holds = c.holds && below > 0;
    const char* trained =
        mean_of(clean) < 26 ? " Below 26 dB a network is less brittle than one trained to its end." : "";
    return with(c, cat("Clean ", points(mean_of(clean)), " dB, random ", points(mean_of(random)), ", worst case ",
                       points(mean_of(attacked)), "; the zero-filled image of the attacked data ",
                       points(mean_of(zero)), ".", trained));
  }

  std::vector<Claim> paper_order() const {
    std::vector<Claim> all;
    const auto smug = psnr("SMUG", "masked 20");
    all.push_back(with(about("C3a", "By the masked attack of the first protocol, 20 %, SMUG is above vanilla by 0.8 dB",
                             minus(smug, psnr("vanilla", "masked 20")), "≥", 0.8),
                       cat("SMUG ", shown("SMUG", "masked 20"), " dB, vanilla ", shown("vanilla", "masked 20"), ".")));
    all.push_back(with(about("C3b", "… and above RS-E2E by 0.2 dB", minus(smug, psnr("RS-E2E", "masked 20")), "≥", 0.2),
                       cat("RS-E2E ", shown("RS-E2E", "masked 20"), " dB.")));
    return all;
  }

  std::vector<Claim> adaptive() const {
    std::vector<Claim> all;
    const auto smug = psnr("SMUG", "adaptive 20"), vanilla = psnr("vanilla", "adaptive 20");
    std::string best = "SMUG";
    for (const std::string& m : r_.methods) {
      const auto x = psnr(m, "adaptive 20");
      if (!x.empty() && mean_of(x) > mean_of(psnr(best, "adaptive 20"))) best = m;
    }
    std::string beside = cat("SMUG ", shown("SMUG", "adaptive 20"), " dB, vanilla ", shown("vanilla", "adaptive 20"),
                             ", RS-E2E ", shown("RS-E2E", "adaptive 20"));
    if (has("adversarial")) beside += cat(", adversarial training ", shown("adversarial", "adaptive 20"));
    beside += best == "SMUG" ? ". SMUG is the best of all."
                             : cat(". SMUG is not the best under this attack: ", best, " is, with ",
                                   shown(best, "adaptive 20"), " dB.");
    all.push_back(with(
        about("C4a", "By the adaptive attack, 20 %, SMUG is above vanilla by 0.3 dB", minus(smug, vanilla), "≥", 0.3),
        beside));
    const auto drop = [&](const std::string& m) { return minus(psnr(m, "clean"), psnr(m, "adaptive 20")); };
    all.push_back(with(
        about("C4b", "… and loses at least 1 dB less of its clean figure", minus(drop("vanilla"), drop("SMUG")), "≥",
              1),
        cat("Lost: SMUG ", points(mean_of(drop("SMUG"))), " dB, vanilla ", points(mean_of(drop("vanilla"))), ".")));
    return all;
  }

  Claim random_noise() const {
    return with(about("C5", "Under random noise of the same size, 20 %, SMUG is above vanilla by 0.3 dB",
                      minus(psnr("SMUG", "random 20"), psnr("vanilla", "random 20")), "≥", 0.3),
                cat("SMUG ", shown("SMUG", "random 20"), " dB, vanilla ", shown("vanilla", "random 20"), "."));
  }

  Claim depth() const {
    const std::string once = cat("steps ", s_.steps), thrice = cat("steps ", 3 * s_.steps);
    const auto loss = [&](const std::string& m) { return minus(psnr(m, once), psnr(m, thrice)); };
    return with(about("C6",
                      cat("From ", s_.steps, " to ", 3 * s_.steps,
                          " unrolled steps SMUG loses at least 3 dB less than vanilla"),
                      minus(loss("vanilla"), loss("SMUG")), "≥", 3),
                cat("Lost: SMUG ", points(mean_of(loss("SMUG"))), " dB, vanilla ", points(mean_of(loss("vanilla"))),
                    ", RS-E2E ", points(mean_of(loss("RS-E2E"))), "."));
  }

  std::vector<Claim> sampling_rate() const {
    // how far vanilla's figures are from falling with the acceleration throughout
    std::vector<double> rises, gains;
    for (const std::uint64_t seed : r_.seeds) {
      double most = -INFINITY, gain = 0;
      const auto at = [&](const std::string& method, int rate) {
        return mean_of(find(r_.judged, method, seed)->psnr.at(cat("rate ", rate)));
      };
      const std::vector<int> all = rates();
      for (std::size_t i = 0; i + 1 < all.size(); ++i)
        most = std::max(most, at("vanilla", all[i + 1]) - at("vanilla", all[i]));
      for (const int rate : all)
        if (rate != s_.acceleration) gain += (at("SMUG", rate) - at("vanilla", rate)) / double(all.size() - 1);
      rises.push_back(most), gains.push_back(gain);
    }
    return {with(about("C7a", "Vanilla MoDL is not monotone in the acceleration: somewhere fewer lines give more dB",
                       rises, ">", 0),
                 "The value is the largest rise from one acceleration to the next."),
            with(about("C7b", "At other accelerations than the trained one SMUG is above vanilla, as the papers say",
                       gains, ">", 0),
                 "The mean over them, dB.")};
  }

  std::vector<Claim> clean_cost() const {
    std::vector<Claim> all;
    const auto vanilla = psnr("vanilla", "clean");
    const auto cost = [&](const std::string& m) { return minus(vanilla, psnr(m, "clean")); };
    Claim at = about("C8a", cat("Clean images cost SMUG at most 2.5 dB at σ = ", s_.sigma), cost("SMUG"), "≤", 2.5);
    all.push_back(with(at, cat("Vanilla ", shown("vanilla", "clean"), " dB, SMUG ", shown("SMUG", "clean"), ".")));
    if (!has("SMUG, σ 0.02")) return all;
    all.push_back(with(about("C8b", "… and at most 0.9 dB at σ = 0.02", cost("SMUG, σ 0.02"), "≤", 0.9),
                       cat("SMUG at 0.02 ", shown("SMUG, σ 0.02", "clean"), " dB.")));
    const auto rise = minus(cost("SMUG"), cost("SMUG, σ 0.02")), further = minus(cost("SMUG, σ 0.1"), cost("SMUG"));
    std::vector<double> least;
    for (std::size_t i = 0; i < rise.size(); ++i) least.push_back(std::min(rise[i], further[i]));
    all.push_back(with(about("C8c", "… rising with σ: 0.02, 0.05, 0.1", least, "≥", 0),
                       cat("Costs ", points(mean_of(cost("SMUG, σ 0.02"))), ", ", points(mean_of(cost("SMUG"))), ", ",
                           points(mean_of(cost("SMUG, σ 0.1"))), " dB.")));
    return all;
  }

  std::vector<Claim> samples() const {
    std::vector<double> apart, slope;
    for (const std::uint64_t seed : r_.seeds) {
      const Judgement* j = find(r_.judged, "SMUG", seed);
      if (!j || !j->numbers.count("samples 10")) return {};
      apart.push_back(std::abs(j->numbers.at("samples 10") - j->numbers.at("samples 20")));
      const std::vector<double> counts(std::begin(sample_counts), std::end(sample_counts));
      std::vector<double> spreads;
      for (const double m : counts) spreads.push_back(j->numbers.at(cat("spread ", m)));
      slope.push_back(log_slope(counts, spreads));
    }
    std::vector<double> off;
    for (const double v : slope) off.push_back(std::abs(v + 0.5));
    return {with(about("C9a", "Ten samples are enough: twenty change PSNR by at most 0.1 dB", apart, "≤", 0.1), ""),
            with(about("C9b", "The spread over noise falls as the root of the samples: a slope of −1/2, to 0.1", off,
                       "≤", 0.1),
                 cat("Slope ", points(mean_of(slope)), "."))};
  }

  Claim audit() const {
    const auto gap = [&](const std::string& m) { return minus(psnr(m, "masked 20"), psnr(m, "adaptive 20")); };
    Claim c = about("C10",
                    "The masked attack flatters smoothing: by the adaptive one SMUG is 0.5 dB lower, vanilla at most "
                    "0.3 dB",
                    gap("SMUG"), "≥", 0.5);
    const double vanilla = mean_of(gap("vanilla"));
    c.holds = c.holds && vanilla <= 0.3;
    return with(c, cat("SMUG: masked ", shown("SMUG", "masked 20"), " dB, adaptive ", shown("SMUG", "adaptive 20"),
                       ". Vanilla: ", points(vanilla), " dB between them."));
  }

  Claim bound() const {
    double worst = 0, gap = INFINITY, published = 0;
    std::size_t slices = 0;
    for (const Amplified& a : r_.amplified)
      for (const double m : a.measured) {
        if (a.method != "SMUG") continue;
        worst = std::max({worst, m / a.tight, a.tight / a.published});
        gap = std::min(gap, std::log10(a.published / m));
        published = std::max(published, a.published);
        ++slices;
      }
    Claim c{.id = "C11",
            .statement =
                "The theorem's bound is above what is measured: amplification ≤ tight C_N ≤ published C_N, on "
                "every slice",
            .value = worst,
            .threshold = 1,
            .seeds = int(r_.seeds.size()),
            .holds = slices > 0 && std::isfinite(published) && worst <= 1,
            .relation = "≤"};
    if (!std::isfinite(published)) return with(c, "No bound is known of this denoiser.");
    return with(
        c, cat("On ", slices, " slices, the measured one from below by power iteration. The published constant is ",
               published, ": at least ", points(gap),
               " orders of magnitude above what is measured, so it says nothing at this size."));
  }

  std::vector<Claim> weights() const {
    if (!has("weighted SMUG")) return {};
    std::vector<double> least, entropy;
    std::string where;
    for (const std::uint64_t seed : r_.seeds) {
      const Judgement *w = find(r_.judged, "weighted SMUG", seed), *p = find(r_.judged, "SMUG", seed);
      double worst = INFINITY;
      for (const auto& [condition, x] : w->psnr) {
        const double gain = mean_of(x) - mean_of(p->psnr.at(condition));
        if (gain < worst) worst = gain, where = condition;
      }
      least.push_back(worst);
      entropy.push_back(w->numbers.at("entropy"));
    }
    const auto gain = minus(psnr("weighted SMUG", "clean"), psnr("SMUG", "clean"));
    const Measured m = mean_interval(gain);
    return {with(about("C12", "Weighted SMUG is nowhere below SMUG by more than 0.1 dB", least, "≥", -0.1),
                 cat("The least gain of the last seed is under “", where, "”. Its weights have ",
                     points(100 * mean_of(entropy)), " % of the entropy of equal ones; clean gain ", points(m.value),
                     " dB (", points(m.low), " to ", points(m.high), "), which ",
                     m.low > 0 || m.high < 0 ? "exceeds" : "does not exceed", " the noise of the seeds."))};
  }

 private:
  const Results& r_;
  const Sizes& s_;
};

}  // namespace

std::vector<Claim> judge_claims(const Results& r, const Sizes& s) {
  const Judge j(r, s);
  std::vector<Claim> all{j.operators(), j.brittleness()};
  const auto put = [&](std::vector<Claim> more) { all.insert(all.end(), more.begin(), more.end()); };
  put(j.paper_order());
  put(j.adaptive());
  put({j.random_noise(), j.depth()});
  put(j.sampling_rate());
  put(j.clean_cost());
  put(j.samples());
  put({j.audit(), j.bound()});
  put(j.weights());
  return all;
}

}  // namespace smug
