#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../shared/claims.hpp"
#include "certify_study.hpp"
#include "tenzo/smoothing/noise.hpp"
#include "tenzo/stats/bootstrap.hpp"
#include "tenzo/stats/bounds.hpp"

namespace smug::certify {

using namespace tenzo;
using namespace tenzo::smoothing;
using program_claims::about, program_claims::minus;
using program_text::fixed;

namespace {

std::string mean_text(const std::vector<double>& x, int digits = 1) { return fixed(mean_of(x), digits); }
/// "11.3 [8.0, 14.6]": a figure with its interval, where there is one.
std::string with_interval(const Measured& m, int digits) {
  return std::isnan(m.low) ? fixed(m.value, digits)
                           : cat(fixed(m.value, digits), " [", fixed(m.low, digits), ", ", fixed(m.high, digits), ']');
}

/// The difference of two methods' figures of an image, with an interval over images within seeds, which share images
/// and noise.
template <class F>
Measured paired(const std::vector<Certified>& a, const std::vector<Certified>& b, F&& figure) {
  std::vector<std::vector<double>> seeds;
  for (std::size_t s = 0; s < std::min(a.size(), b.size()); ++s) {
    std::vector<double> d;
    for (std::size_t i = 0; i < a[s].log.size(); ++i) d.push_back(figure(a[s].log[i]) - figure(b[s].log[i]));
    seeds.push_back(std::move(d));
  }
  return stratified_bootstrap(seeds, [](std::span<const double> x) { return mean_of(x); });
}
/// Of their radii.
Measured paired_radii(const std::vector<Certified>& a, const std::vector<Certified>& b) {
  return paired(a, b, [](const CertifiedImage& c) { return c.right() ? c.radius : 0.0; });
}
/// Of certified accuracy at r, in points: "paired over images: 11.3 [8.0, 14.6]".
std::string paired_text(const std::vector<Certified>& a, const std::vector<Certified>& b, double r) {
  return cat("paired over images: ",
             with_interval(
                 paired(a, b, [&](const CertifiedImage& c) { return c.right() && c.radius >= r ? 100.0 : 0.0; }), 1));
}

Claim exact(const Exactness& e, int seeds) {
  Claim c{.id = "R1",
          .statement =
              "Bounds, radii, tests and order statistics are those of the reference values, to 1e-9 beyond the digits "
              "that these have; half-spaces at σ to 2σ are certified to 0.95 of their distance in the median, and too "
              "far in 3 of 1,000 runs at most",
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
  const auto with = r.of("Gaussian", base_sigma), without = r.of("no noise", base_sigma);
  Claim c = about("R2",
                  "At σ = 0.5, training with noise certifies at least 25 points more of the images at radius 0.5 than "
                  "training without",
                  minus(percent_at(with, 0.5), percent_at(without, 0.5)), "≥", 25);
  const auto certified = [&](double radius) {
    return cat(mean_text(percent_at(with, radius)), " % with noise, ", mean_text(percent_at(without, radius)),
               " % without (", paired_text(with, without, radius), ")");
  };
  const auto both = [&](std::size_t i) {
    return cat(mean_text(percent_in_noise(with, i)), " % and ", mean_text(percent_in_noise(without, i)), " %");
  };
  c.reason =
      cat("Certified at 0.5: ", certified(0.5), "; at 1: ", certified(1),
          ". One noisy copy is right, with and without, in noise of σ = 0.5 on ", both(2), ", of 1 on ", both(4),
          ", of 1.5 on ", both(5), ".",
          mean_of(percent_in_noise(without, 2)) > 75
              ? " Noise of σ = 0.5 hardly disturbs a network that has seen none: a digit's strokes are wide, and "
                "convolutions of 5 × 5 pixels average noise away. What noise gains shows at larger radii."
              : "");
  return c;
}

Claim trade_off(const Results& r) {
  const auto at = [&](double sigma, double radius) { return percent_at(r.of("Gaussian", sigma), radius); };
  const double far = mean_of(at(0.5, 1.5)) >= mean_of(at(1, 1.5)) ? 0.5 : 1;
  // all of these have to be above zero
  const std::vector<std::pair<std::string, std::vector<double>>> leads = {
      {"at 0 σ = 0.25 leads 0.5 by ", minus(at(0.25, 0), at(0.5, 0))},
      {"and that 1 by ", minus(at(0.5, 0), at(1, 0))},
      {"at 0.25 σ = 0.25 leads 0.5 by ", minus(at(0.25, 0.25), at(0.5, 0.25))},
      {"and 1 by ", minus(at(0.25, 0.25), at(1, 0.25))},
      {cat("at 1.5 σ = ", far, " leads 0.25 by "), minus(at(far, 1.5), at(0.25, 1.5))}};
  const auto least = std::min_element(
      leads.begin(), leads.end(), [](const auto& a, const auto& b) { return mean_of(a.second) < mean_of(b.second); });
  Claim c = about("R3",
                  "Accuracy at 0 decreases in σ; the best σ at radius 0.25 is 0.25, at radius 1.5 it is 0.5 or more: "
                  "the smallest of these leads, in points, is above zero",
                  least->second, ">", 0);
  std::string text;
  for (const auto& [name, lead] : leads)
    text += cat(text.empty() ? "" : ", ", name, with_interval(mean_interval(lead), 1));
  std::string accuracies;
  for (const double radius : {0.0, 0.25, 1.5})
    accuracies += cat(accuracies.empty() ? "" : "; ", "at ", radius, ": ", mean_text(at(0.25, radius)), ", ",
                      mean_text(at(0.5, radius)), ", ", mean_text(at(1, radius)));
  c.reason = cat("Points: ", text, ". Certified accuracy in percent at σ = 0.25, 0.5, 1: ", accuracies);
  return c;
}

Claim order(const Setup& setup, const Results& r) {
  const auto lead = [&](const std::string& method) {
    return minus(average_radii(runs_of(r.by_many, method, base_sigma)),
                 average_radii(runs_of(r.by_many, "Gaussian", base_sigma)));
  };
  const auto lost = [&](const std::string& method) {
    return minus(percent_at(r.of("Gaussian", base_sigma), 0), percent_at(r.of(method, base_sigma), 0));
  };
  Claim c = about("R4",
                  cat("At σ = 0.5, by ", setup.sizes.many_samples,
                      " copies, consistency raises the average certified radius of Gaussian training by 0.03 and "
                      "SmoothAdv by 0.05, at 1.5 points of accuracy or less"),
                  lead("Consistency"), "≥", 0.03);
  c.holds = c.holds && mean_of(lead("SmoothAdv")) >= 0.05 && mean_of(lost("Consistency")) <= 1.5 &&
            mean_of(lost("SmoothAdv")) <= 1.5;
  const auto said = [&](const std::string& method) {
    const Measured over_images =
        paired_radii(runs_of(r.by_many, method, base_sigma), runs_of(r.by_many, "Gaussian", base_sigma));
    return cat(method, ' ', with_interval(mean_interval(lead(method)), 3),
               " (paired over images: ", with_interval(over_images, 3), "), ",
               with_interval(mean_interval(lost(method)), 1), " points lost at 0");
  };
  c.reason = cat(said("Consistency"), "; ", said("SmoothAdv"), ". Radii of ", r.by_many.front().log.size(),
                 " images, accuracy of ", r.certified.front().log.size());
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
              "PGD of 100 steps with 32 draws a gradient within 0.95 of the certified radius changes the class of α of "
              "the images at most; within twice the radius it changes some",
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
  c.reason =
      cat(inside, " of ", n, " changed within ", attack_inside, " R, ", outside, " within ", attack_outside, " R");
  return c;
}

std::vector<Certified> of_denoiser(const Results& r, const std::string& begin) {
  std::vector<Certified> out;
  for (const DenoisedRun& d : r.denoised)
    if (d.denoiser.starts_with(begin)) out.push_back(d.certified);
  return out;
}

Claim denoising(const Setup& setup, const Results& r) {
  const auto none = of_denoiser(r, "none"), mse = of_denoiser(r, "MSE"), stab = of_denoiser(r, "STAB"),
             box = of_denoiser(r, "ZO-DS");
  const auto at = [](const std::vector<Certified>& runs) { return percent_at(runs, 0.5); };
  const auto& white = mean_of(at(stab)) >= mean_of(at(mse)) ? stab : mse;
  Claim c =
      about("R6",
            "A denoiser before the network trained without noise certifies 25 points more at radius 0.5, σ = 0.5; "
            "one trained through its gradient at least as much as one trained through its answers, in as many steps",
            minus(at(white), at(none)), "≥", 25);
  c.holds = c.holds && mean_of(at(white)) >= mean_of(at(box));
  c.reason = cat("Certified at 0.5: none ", mean_text(at(none)), " %, MSE ", mean_text(at(mse)), " %, STAB + MSE ",
                 mean_text(at(stab)), " %, ZO-DS ", mean_text(at(box)), " %, after ", setup.sizes.denoiser_steps,
                 " steps each. The better white box before none, ", paired_text(white, none, 0.5), "; before ZO-DS, ",
                 paired_text(white, box, 0.5), ".",
                 mean_of(at(none)) > 75 ? " 25 points more than without are not there to be had." : "");
  return c;
}

Claim zeroth_order_denoising(const Setup& setup, const Results& r) {
  const auto runs = [&](const std::string& name) { return of_denoiser(r, name); };
  const auto at = [&](const std::string& name) { return percent_at(runs(name), 0); };
  const auto few = at("ZO-AE-DS, RGE 20"), many = at("ZO-AE-DS, RGE d"), coordinates = at("ZO-AE-DS, CGE"),
             direct = at("ZO-DS"), untrained = at("autoencoder alone");
  Claim c = about("R7",
                  "Through answers at the code, in as many steps: coordinates do at least as well as d directions, "
                  "these as 20; and d directions at the code are 10 points better than as many at the image, at "
                  "radius 0",
                  minus(many, direct), "≥", 10);
  c.holds = c.holds && mean_of(coordinates) >= mean_of(many) && mean_of(many) >= mean_of(few);
  std::string queries;
  for (const DenoisedRun& d : r.denoised)
    if (d.queries > 0 && d.certified.seed == r.denoised.front().certified.seed)
      queries += cat(queries.empty() ? "" : "; ", d.denoiser, ": ", d.queries);
  c.reason =
      cat("Right and not abstained: CGE ", mean_text(coordinates), " %, RGE d ", mean_text(many), " %, RGE 20 ",
          mean_text(few), " %, ZO-DS ", mean_text(direct), " % (RGE d before ZO-DS, ",
          paired_text(runs("ZO-AE-DS, RGE d"), runs("ZO-DS"), 0), "), the autoencoder without a denoiser ",
          mean_text(untrained), " %, after ", setup.sizes.denoiser_steps, " steps each. Queries of a step: ", queries);
  return c;
}

Claim l1(const Results& r) {
  std::vector<Certified> uniform, laplace;
  for (const Certified& c : r.l1) (c.method == "uniform" ? uniform : laplace).push_back(c);
  const auto lead = [&](double radius) { return minus(percent_at(uniform, radius), percent_at(laplace, radius)); };
  double least = l1_from;
  constexpr int radii = 50;
  for (int i = 1; i <= radii; ++i)
    if (const double radius = l1_from + (l1_to - l1_from) * i / radii; mean_of(lead(radius)) < mean_of(lead(least)))
      least = radius;
  const double end = AdditiveNoise{Family::uniform, l1_sigma}.lambda();
  const std::string statement = cat(
      "At equal σ = ", l1_sigma, ", uniform noise certifies 5 points more than Laplace noise at each l1 radius from ",
      l1_from, " to ", l1_to, " (from ", fixed(end, 2),
      " on it certifies none); exact splitting agrees with random shifts, and is the same in each run");
  Claim c = about("R8", statement, lead(least), "≥", 5);
  std::int64_t outside = 0, changed = 0, images = 0;
  for (const Splitting& s : r.splitting) outside += s.outside, changed += s.changed, images += s.images;
  // each interval misses with probability 2α
  const double chance = binomial_at_least(outside, images, 2 * alpha);
  c.holds = c.holds && changed == 0 && chance >= 1e-3;
  const auto both = [&](double radius) {
    return cat(fixed(radius, 2), ": ", mean_text(percent_at(uniform, radius)), " and ",
               mean_text(percent_at(laplace, radius)), " %");
  };
  c.reason = cat("Uniform and Laplace at ", both(l1_from), "; at ", both(l1_to), "; at ", both(end - 0.05),
                 ". The lead is smallest at ", fixed(least, 2), ", ", paired_text(uniform, laplace, least),
                 ". Exact splitting: ", outside, " of ", images,
                 " outside the interval of random shifts (so many or more have probability ", fixed(chance, 3), "), ",
                 changed, " changed");
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
  if (setup.full) out.push_back(trade_off(r)), out.push_back(order(setup, r));
  out.push_back(sound(r));
  if (setup.full)
    out.push_back(denoising(setup, r)), out.push_back(zeroth_order_denoising(setup, r)), out.push_back(l1(r));
  out.push_back(zeroth_order(r.zero_order, r.seeds));
  out.push_back(regression(r));
  return out;
}

}  // namespace smug::certify
