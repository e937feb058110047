// What unlearning is judged by: accuracies, membership, and the gap to a model that was retrained.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "tenzo/train/classifier.hpp"
#include "tenzo/unlearn/membership.hpp"

namespace tenzo::unlearn {

/// The efficacy of one attack, in percent.
struct AttackResult {
  Feature feature;
  Attacker attacker;
  double efficacy;
};

/// All in percent. None of them is better because it is larger: near to the retrained model is good.
struct Evaluation {
  double ua = 0;                      // 100 − accuracy on the forget set
  double ra = 0;                      // accuracy on the retain set
  double ta = 0;                      // accuracy on the test set
  double mia = 0;                     // efficacy of the attack that was asked for
  std::vector<AttackResult> attacks;  // of all of them, where asked for
};

struct EvaluationOptions {
  Feature feature = Feature::confidence;
  Attacker attacker = Attacker::svm;
  bool all_attacks = false;  // every feature by both attackers, but no threshold of all probabilities
  SvmOptions svm = {};
  std::int64_t batch = 256;
};

/// UA, RA, TA and MIA of a model as in deployment.
///   The attacker learns from as many members, the first of the retain set, as non-members, the first of `shadow`.
///   shadow   samples that no model was trained on; the test set where it is null, as in the official code: then TA and
///            MIA share their samples
///   Throws  ValueError where a set is empty.
template <class M, Real T>
Evaluation evaluate(const M& model, const Samples<T>& forget, const Samples<T>& retain, const Samples<T>& test,
                    const EvaluationOptions& o = {}, const Samples<T>* shadow = nullptr) {
  const Samples<T>& strangers = shadow ? *shadow : test;
  require(forget.size() > 0 && retain.size() > 0 && test.size() > 0 && strangers.size() > 0,
          "evaluate: ", forget.size(), " samples to forget, ", retain.size(), " to retain, ", test.size(),
          " for the test, ", strangers.size(), " for the attacker; want some of each");
  const auto right = [](const Tensor<T>& z, const Samples<T>& s) { return 100 * share_right(z, s.labels); };
  const auto of_forget = scores(model, forget.x, o.batch), of_retain = scores(model, retain.x, o.batch),
             of_test = scores(model, test.x, o.batch),
             of_strangers = shadow ? scores(model, shadow->x, o.batch) : of_test;
  Evaluation e{.ua = 100 - right(of_forget, forget),
               .ra = right(of_retain, retain),
               .ta = right(of_test, test),
               .mia = 0,
               .attacks = {}};

  const std::int64_t n = std::min(retain.size(), strangers.size());
  const auto attack = [&](Feature f, Attacker a) {
    return membership_attack(membership_features(of_retain.rows(0, n), retain.labels.rows(0, n), f),
                             membership_features(of_strangers.rows(0, n), strangers.labels.rows(0, n), f),
                             membership_features(of_forget, forget.labels, f), a, o.svm);
  };
  e.mia = attack(o.feature, o.attacker);
  if (o.all_attacks)
    for (const Attacker a : {Attacker::svm, Attacker::threshold})
      for (const Feature f : all_features) {
        if (a == Attacker::threshold && f == Feature::probabilities) continue;
        e.attacks.push_back({f, a, f == o.feature && a == o.attacker ? e.mia : attack(f, a)});
      }
  return e;
}

/// The mean of |a − b| over UA, MIA, RA and TA, in points; b is the retrained model on the same forget set.
inline double average_gap(const Evaluation& a, const Evaluation& b) {
  return (std::abs(a.ua - b.ua) + std::abs(a.mia - b.mia) + std::abs(a.ra - b.ra) + std::abs(a.ta - b.ta)) / 4;
}

}  // namespace tenzo::unlearn
