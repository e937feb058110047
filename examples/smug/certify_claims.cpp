#include <algorithm>
#include <cmath>
#include <span>

#include "../shared/claims.hpp"
#include "certify_networks.hpp"
#include "certify_study.hpp"
#include "tenzo/stats/bootstrap.hpp"
#include "tenzo/stats/bounds.hpp"

namespace smug::certify {

using namespace tenzo;
using namespace tenzo::smoothing;
using program_claims::about, program_claims::minus;
using program_text::fixed;

namespace {

template <class F>
std::vector<double> each(const std::vector<Certified>& runs, F&& figure) {
  std::vector<double> out;
  for (const Certified& c : runs) out.push_back(figure(c));
  return out;
}
/// Certified accuracy at a radius, in percent, seed by seed.
std::vector<double> accuracy_at(const std::vector<Certified>& runs, double r) {
  return each(runs, [&](const Certified& c) { return 100 * certified_accuracy(c.log, r); });
}
std::vector<double> radii(const std::vector<Certified>& runs) {
  return each(runs, [](const Certified& c) { return average_certified_radius(c.log); });
}
/// The base network's accuracy in noise of noise_levels[i], in percent.
double in_noise(const std::vector<Certified>& runs, std::size_t i) {
  return mean_of(each(runs, [&](const Certified& c) { return 100 * c.in_noise.at(i); }));
}
/// The difference of two methods' radii with an interval over images within seeds, which share images and noise.
Measured paired(const std::vector<Certified>& a, const std::vector<Certified>& b) {
  std::vector<std::vector<double>> seeds;
  for (std::size_t s = 0; s < std::min(a.size(), b.size()); ++s) {
    std::vector<double> d;
    for (std::size_t i = 0; i < a[s].log.size(); ++i) {
      const auto radius = [&](const CertifiedImage& c) { return c.right() ? c.radius : 0; };
      d.push_back(radius(a[s].log[i]) - radius(b[s].log[i]));
    }
    seeds.push_back(std::move(d));
  }
  return stratified_bootstrap(seeds, [](std::span<const double> x) { return mean_of(x); });
}

Claim exact(const Exactness& e, int seeds) {
  Claim c{.id = "R1",
          .statement =
              "Bounds, radii, tests and order statistics are those of the reference values to 1e-9; half-spaces "
              "at σ to 2σ are certified to 0.95 of their distance in the median, and too far in 3 of 1,000 "
              "runs at most",
          .value = e.worst,
          .threshold = 1e-9,
          .seeds = seeds,
          .relation = "≤"};
  c.holds = e.worst <= 1e-9 && e.near_tie <= 1e-12 && e.other == 0;
  std::string half_spaces;
  for (const Oracle& o : e.oracles) {
    c.holds = c.holds && o.median >= 0.95 && o.wrong * 1000 <= 3 * o.runs;
    half_spaces += cat(half_spaces.empty() ? "" : ", ", fixed(o.median, 4), " (", o.wrong, " of ", o.runs, ")");
  }
  c.reason = cat(e.values, " values, ", e.other, " decisions otherwise; 50,490 of 100,000 to ", e.near_tie,
                 " absolutely. Medians of radius / distance, and runs too far, at σ, 1.5σ and 2σ: ", half_spaces);
  return c;
}

Claim noise_is_necessary(const Results& r) {
  const auto with = r.of("Gaussian", 0.5), without = r.of("no noise", 0.5);
  Claim c = about("R2",
                  "At σ = 0.5, training with noise certifies at least 25 points more of the images at radius 0.5 than "
                  "training without",
                  minus(accuracy_at(with, 0.5), accuracy_at(without, 0.5)), "≥", 25);
  const auto both = [&](std::size_t i) {
    return cat(fixed(in_noise(with, i), 1), " % and ", fixed(in_noise(without, i), 1), " %");
  };
  c.reason =
      cat("Certified at 0.5: ", fixed(mean_of(accuracy_at(with, 0.5)), 1), " % with noise, ",
          fixed(mean_of(accuracy_at(without, 0.5)), 1), " % without; at 1: ", fixed(mean_of(accuracy_at(with, 1)), 1),
          " % and ", fixed(mean_of(accuracy_at(without, 1)), 1),
          " %. One noisy copy is right, with and without, in noise of σ = 0.5 on ", both(2), ", of 1 on ", both(4),
          ", of 1.5 on ", both(5), ".",
          in_noise(without, 2) > 75
              ? " Noise of σ = 0.5 hardly disturbs a network that has seen none: a digit's strokes are wide, and "
                "convolutions of 5 × 5 pixels average noise away. What noise gains shows at larger radii."
              : "");
  return c;
}

Claim trade_off(const Results& r) {
  const auto at = [&](double sigma, double radius) { return mean_of(accuracy_at(r.of("Gaussian", sigma), radius)); };
  Claim c = about("R3",
                  "With more noise fewer images are right and more radius is certified: accuracy at 0 falls in σ, the "
                  "best σ at radius 0.25 is 0.25, at radius 1.5 it is 0.5 or more",
                  minus(accuracy_at(r.of("Gaussian", 0.25), 0), accuracy_at(r.of("Gaussian", 1), 0)), ">", 0);
  c.holds = at(0.25, 0) >= at(0.5, 0) && at(0.5, 0) >= at(1, 0) && at(0.25, 0) > at(1, 0) &&
            at(0.25, 0.25) >= std::max(at(0.5, 0.25), at(1, 0.25)) &&
            std::max(at(0.5, 1.5), at(1, 1.5)) > at(0.25, 1.5);
  std::string text;
  for (const double radius : {0.0, 0.25, 1.5})
    text += cat(text.empty() ? "" : "; ", "at ", radius, ": ", fixed(at(0.25, radius), 1), ", ",
                fixed(at(0.5, radius), 1), ", ", fixed(at(1, radius), 1));
  c.reason = cat("Certified accuracy in percent at σ = 0.25, 0.5, 1: ", text);
  return c;
}

Claim order(const Results& r) {
  const auto gaussian = r.of("Gaussian", 0.5), consistency = r.of("Consistency", 0.5),
             adversarial = r.of("SmoothAdv", 0.5);
  Claim c =
      about("R4",
            "At σ = 0.5 consistency raises the average certified radius of Gaussian training by 0.03 and SmoothAdv "
            "by 0.05, at 1.5 points of accuracy or less",
            minus(radii(consistency), radii(gaussian)), "≥", 0.03);
  const auto lost = [&](const std::vector<Certified>& runs) {
    return mean_of(minus(accuracy_at(gaussian, 0), accuracy_at(runs, 0)));
  };
  const Measured k = paired(consistency, gaussian), s = paired(adversarial, gaussian);
  c.holds = c.holds && s.value >= 0.05 && lost(consistency) <= 1.5 && lost(adversarial) <= 1.5;
  c.reason = cat("Consistency ", fixed(k.value, 3), " [", fixed(k.low, 3), ", ", fixed(k.high, 3), "], SmoothAdv ",
                 fixed(s.value, 3), " [", fixed(s.low, 3), ", ", fixed(s.high, 3),
                 "] (paired bootstrap over images); accuracy lost ", fixed(lost(consistency), 1), " and ",
                 fixed(lost(adversarial), 1), " points");
  return c;
}

/// A share with its exact interval.
void count_into(Claim& c, std::int64_t k, std::int64_t n) {
  c.value = double(k) / double(n);
  c.ci95 = {clopper_pearson_lower(k, n, 0.025), clopper_pearson_upper(k, n, 0.025)};
}

Claim sound(const Results& r) {
  Claim c{.id = "R5",
          .statement =
              "PGD of 100 steps with 32 draws a gradient within 0.95 of the certified radius changes the class "
              "of α of the images at most; within twice the radius it changes some",
          .threshold = alpha,
          .seeds = r.seeds,
          .relation = "≤"};
  std::int64_t inside = 0, outside = 0;
  for (const Attacked& a : r.attacked) {
    inside += a.inside != abstain && a.inside != a.label;
    outside += a.outside != abstain && a.outside != a.label;
  }
  const auto n = std::int64_t(r.attacked.size());
  if (n == 0) {
    c.reason = "No image was certified.";
    return c;
  }
  count_into(c, inside, n);
  c.holds = c.value <= alpha && outside > 0;
  c.reason = cat(inside, " of ", n, " changed within 0.95 R, ", outside, " within 2 R");
  return c;
}

std::vector<Certified> of_denoiser(const Results& r, const std::string& begin) {
  std::vector<Certified> out;
  for (const DenoisedRun& d : r.denoised)
    if (d.denoiser.starts_with(begin)) out.push_back(d.certified);
  return out;
}

Claim denoising(const Results& r) {
  const auto none = of_denoiser(r, "none"), mse = of_denoiser(r, "MSE"), stab = of_denoiser(r, "STAB"),
             box = of_denoiser(r, "ZO-DS");
  const auto at = [](const std::vector<Certified>& runs) { return accuracy_at(runs, 0.5); };
  const auto& white = mean_of(at(stab)) >= mean_of(at(mse)) ? stab : mse;
  Claim c =
      about("R6",
            "A denoiser before the network trained without noise certifies 25 points more at radius 0.5, σ = 0.5; "
            "one trained through its gradient at least as much as one through its answers",
            minus(at(white), at(none)), "≥", 25);
  c.holds = c.holds && mean_of(at(white)) >= mean_of(at(box));
  c.reason = cat("Certified at 0.5: none ", fixed(mean_of(at(none)), 1), " %, MSE ", fixed(mean_of(at(mse)), 1),
                 " %, STAB + MSE ", fixed(mean_of(at(stab)), 1), " %, ZO-DS ", fixed(mean_of(at(box)), 1), " %. ",
                 mean_of(at(none)) > 75 ? "25 points more than without are not there to be had." : "");
  return c;
}

Claim zeroth_order_denoising(const Results& r) {
  const auto at = [&](const std::string& name) { return accuracy_at(of_denoiser(r, name), 0); };
  const auto few = at("ZO-AE-DS, RGE 20"), many = at("ZO-AE-DS, RGE d"), coordinates = at("ZO-AE-DS, CGE"),
             direct = at("ZO-DS");
  Claim c = about("R7",
                  "Through answers at the code: coordinates do at least as well as d directions, these as 20; and "
                  "the code is 10 points better than the image itself, at radius 0",
                  minus(many, direct), "≥", 10);
  c.holds = c.holds && mean_of(coordinates) >= mean_of(many) && mean_of(many) >= mean_of(few);
  std::string queries;
  for (const DenoisedRun& d : r.denoised)
    if (d.queries > 0 && d.certified.seed == r.denoised.front().certified.seed)
      queries += cat(queries.empty() ? "" : "; ", d.denoiser, ": ", d.queries);
  c.reason = cat("Right and not abstained: CGE ", fixed(mean_of(coordinates), 1), " %, RGE d ", fixed(mean_of(many), 1),
                 " %, RGE 20 ", fixed(mean_of(few), 1), " %, ZO-DS ", fixed(mean_of(direct), 1),
                 " %. Queries of a step: ", queries);
  return c;
}

Claim l1(const Results& r) {
  std::vector<Certified> uniform, laplace;
  for (const Certified& c : r.l1) (c.method == "uniform" ? uniform : laplace).push_back(c);
  Claim c =
      about("R8",
            "At equal σ, uniform noise certifies 5 points more than Laplace noise at l1 radius 1; exact splitting "
            "agrees with random shifts, and is the same in each run",
            minus(accuracy_at(uniform, 1), accuracy_at(laplace, 1)), "≥", 5);
  std::int64_t outside = 0, changed = 0, images = 0;
  for (const Splitting& s : r.splitting) outside += s.outside, changed += s.changed, images += s.images;
  // each interval misses with probability 2α: more than 4 of 300 have probability 4e-4
  c.holds = c.holds && changed == 0 && outside <= 4;
  c.reason =
      cat("At 1: uniform ", fixed(mean_of(accuracy_at(uniform, 1)), 1), " %, Laplace ",
          fixed(mean_of(accuracy_at(laplace, 1)), 1), " %; at 1.5: ", fixed(mean_of(accuracy_at(uniform, 1.5)), 1),
          " and ", fixed(mean_of(accuracy_at(laplace, 1.5)), 1), " %. Exact splitting: ", outside, " of ", images,
          " outside the interval of random shifts, ", changed, " changed");
  return c;
}

Claim zeroth_order(const ZeroOrder& z, int seeds) {
  Claim c{.id = "R9",
          .statement =
              "The mean of 100,000 random gradient estimates is the smoothed function's gradient within 4 "
              "standard errors; its variance goes as d/q, slopes 1 and −1 to 0.1",
          .value = 0,
          .threshold = 4,
          .seeds = seeds,
          .relation = "≤"};
  std::string text;
  for (const Estimated& e : z.functions) {
    c.value = std::max(c.value, e.deviation);
    text += cat(text.empty() ? "" : ", ", e.function, ' ', fixed(e.deviation, 2));
  }
  c.holds = c.value <= 4 && std::abs(z.query_slope + 1) <= 0.1 && std::abs(z.dimension_slope - 1) <= 0.1;
  c.reason = cat("Largest deviations in standard errors: ", text, "; slopes ", fixed(z.query_slope, 3), " in q and ",
                 fixed(z.dimension_slope, 3), " in d");
  return c;
}

Claim regression(const Results& r) {
  Claim c{.id = "R10",
          .statement =
              "No attack within ε moves a regressor's smoothed median out of its interval in more than α of "
              "trials; of a heavy-tailed function the mean's interval is wider than the median's",
          .threshold = alpha,
          .seeds = r.seeds,
          .relation = "≤"};
  std::int64_t out = 0;
  double reached = 0;
  for (const Regressed& g : r.regressed) {
    out += (g.least < g.low) + (g.most > g.high);
    reached += 0.5 * ((g.value - g.least) / (g.value - g.low) + (g.most - g.value) / (g.high - g.value)) /
               double(r.regressed.size());
  }
  count_into(c, out, 2 * std::int64_t(r.regressed.size()));
  c.holds = c.value <= alpha && *std::min_element(r.heavy_tail.ratio.begin(), r.heavy_tail.ratio.end()) > 1;
  c.reason = cat(out, " of ", 2 * r.regressed.size(), " attacks left the interval; they went ", fixed(100 * reached, 0),
                 " % of the way to its ends. Mean's over median's width: ", fixed(mean_of(r.heavy_tail.ratio), 1));
  return c;
}

}  // namespace

std::vector<Claim> judge(const Setup& setup, const Results& r) {
  std::vector<Claim> out{exact(r.exactness, r.seeds), noise_is_necessary(r)};
  if (setup.full) out.push_back(trade_off(r)), out.push_back(order(r));
  out.push_back(sound(r));
  if (setup.full) out.push_back(denoising(r)), out.push_back(zeroth_order_denoising(r)), out.push_back(l1(r));
  out.push_back(zeroth_order(r.zero_order, r.seeds));
  out.push_back(regression(r));
  return out;
}

}  // namespace smug::certify
