#include "arm.hpp"

namespace vpns {

namespace {

using nlohmann::json;

json number(double x) { return std::isfinite(x) ? json(x) : json(nullptr); }
double number_of(const json& j) { return j.is_null() ? NAN : j.get<double>(); }

}  // namespace

void to_json(json& j, const Outcome& o) {
  j = {{"arm", o.arm},
       {"seed", o.seed},
       {"density", number(o.density)},
       {"found", number(o.found)},
       {"accuracy", number(o.accuracy)},
       {"with_prompt", number(o.with_prompt)},
       {"without_prompt", number(o.without_prompt)},
       {"ece", number(o.ece)},
       {"updates", o.updates},
       {"kept", o.kept},
       {"total", o.total},
       {"read_kept", o.read_kept},
       {"read_total", o.read_total},
       {"dead", o.dead},
       {"prompt_norm", number(o.prompt_norm)},
       {"seconds", number(o.seconds)},
       {"mapping", o.mapping},
       {"mask", o.mask},
       {"prompt", o.prompt},
       {"layers", json::array()}};
  for (const Layer& l : o.layers) j["layers"].push_back({l.name, l.kept, l.total});
}
void from_json(const json& j, Outcome& o) {
  j.at("arm").get_to(o.arm), j.at("seed").get_to(o.seed);
  o.density = number_of(j.at("density")), o.found = number_of(j.at("found"));
  o.accuracy = number_of(j.at("accuracy")), o.with_prompt = number_of(j.at("with_prompt"));
  o.without_prompt = number_of(j.at("without_prompt")), o.ece = number_of(j.at("ece"));
  j.at("updates").get_to(o.updates), j.at("kept").get_to(o.kept), j.at("total").get_to(o.total);
  j.at("read_kept").get_to(o.read_kept), j.at("read_total").get_to(o.read_total), j.at("dead").get_to(o.dead);
  o.prompt_norm = number_of(j.at("prompt_norm"));
  o.seconds = number_of(j.at("seconds"));
  j.at("mapping").get_to(o.mapping), j.at("mask").get_to(o.mask), j.at("prompt").get_to(o.prompt);
  o.layers.clear();
  for (const json& l : j.at("layers")) o.layers.push_back({l.at(0), l.at(1), l.at(2)});
}

void to_json(json& j, const Latency& l) {
  j = {
      {"density", l.density}, {"batch", l.batch}, {"dense_ms", number(l.dense_ms)}, {"sparse_ms", number(l.sparse_ms)}};
}
void from_json(const json& j, Latency& l) {
  j.at("density").get_to(l.density), j.at("batch").get_to(l.batch);
  l.dense_ms = number_of(j.at("dense_ms")), l.sparse_ms = number_of(j.at("sparse_ms"));
}

void to_json(json& j, const Queries& q) {
  j = {{"way", q.way},
       {"seed", q.seed},
       {"accuracy", number(q.accuracy)},
       {"loss", number(q.loss)},
       {"forwards", q.forwards}};
}
void from_json(const json& j, Queries& q) {
  j.at("way").get_to(q.way), j.at("seed").get_to(q.seed), j.at("forwards").get_to(q.forwards);
  q.accuracy = number_of(j.at("accuracy")), q.loss = number_of(j.at("loss"));
}

void to_json(json& j, const Compact& c) {
  j = {{"arm", c.arm},
       {"seed", c.seed},
       {"share", number(c.share)},
       {"difference", number(c.difference)},
       {"weights", c.weights},
       {"dense_weights", c.dense_weights},
       {"operations", c.operations},
       {"dense_operations", c.dense_operations},
       {"ms", number(c.ms)},
       {"dense_ms", number(c.dense_ms)},
       {"widths", c.widths}};
}
void from_json(const json& j, Compact& c) {
  j.at("arm").get_to(c.arm), j.at("seed").get_to(c.seed), j.at("weights").get_to(c.weights);
  j.at("dense_weights").get_to(c.dense_weights), j.at("widths").get_to(c.widths);
  j.at("operations").get_to(c.operations), j.at("dense_operations").get_to(c.dense_operations);
  c.share = number_of(j.at("share")), c.difference = number_of(j.at("difference")), c.ms = number_of(j.at("ms")),
  c.dense_ms = number_of(j.at("dense_ms"));
}

}  // namespace vpns
