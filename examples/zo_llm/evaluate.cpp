#include <cstdio>

#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "files.hpp"
#include "tenzo/io/atomic_file.hpp"
#include "tenzo/io/progress.hpp"

namespace zo_llm {

using namespace tenzo;

int evaluate(const Evaluate& o) {
  apply_machine_options(o);
  check_outputs({o.model, o.data}, {o.json});
  check_file(o.json);
  require(o.split == "train" || o.split == "dev" || o.split == "test", "--split is '", o.split,
          "'; want train, dev or test");
  LanguageModel m = load_language_model(o.model, weight_format(o.dtype));
  const EncodedTask task = load_task(o, m, {o.train, o.dev, o.test});
  const auto& examples = o.split == "train" ? task.train : o.split == "dev" ? task.dev : task.test;
  const Placed model(m.model, device_named(o.device));
  Scores scores;
  {
    Progress bar("scoring", std::int64_t(examples.size()));
    scores = score_examples(model, examples, [&](std::int64_t done) { bar.update(done); });
  }
  check_finite(o.model, scores.values);
  const ScoreSummary s = scores.summary();
  std::printf("examples %lld, accuracy %.4f, calibrated accuracy %.4f, auc %.4f, loss %.4f\n",
              static_cast<long long>(s.examples), s.accuracy, s.calibrated_accuracy, s.auc, s.loss);
  if (!o.json.empty()) {
    const nlohmann::ordered_json j = {{"examples", s.examples},
                                      {"accuracy", s.accuracy},
                                      {"calibrated_accuracy", s.calibrated_accuracy},
                                      {"auc", s.auc},
                                      {"loss", s.loss}};
    write_file(o.json, j.dump(1) + "\n");
  }
  return 0;
}

}  // namespace zo_llm
