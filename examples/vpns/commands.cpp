#include "commands.hpp"

#include <algorithm>
#include <cstdio>

#include "../shared/data.hpp"
#include "tenzo/io/outputs.hpp"
#include "tenzo/io/safetensors.hpp"

namespace vpns {

using namespace tenzo;

namespace {

/// The target as a whole: all samples to judge by, and at most so many to train on.
DataSet data_of(const Options& o, std::int64_t train) {
  return set_of(o.data, o.path, {.seed = o.seed, .most_train = train});
}

}  // namespace

NetOptions net_of_file(const std::string& path, const Options& o) {
  const std::string& arch = o.arch;
  make_lab({.arch = arch, .image = std::max<std::int64_t>(32, o.image)});  // an unknown architecture is said first
  const SafetensorsFile file = SafetensorsFile::open(path);
  const auto shape_of = [&](const std::vector<std::string>& names, int rank) {
    for (const std::string& name : names)
      if (const StoredTensor* t = file.tensors().find(name)) {
        if (t->shape().rank() != rank)
          throw FileError(path, -1, cat(printable(name), " is ", t->shape(), "; want ", rank, " axes"));
        return t->shape();
      }
    throw FileError(path, -1, cat("is no network ", arch, ": it has no tensor ", printable(names.front())));
  };
  const bool cnn = arch == "cnn", resnet = arch.starts_with("resnet");
  NetOptions net{.arch = arch, .image = o.image, .device = o.device};
  net.channels = shape_of({cnn ? "blocks.0.conv.weight" : resnet ? "conv1.weight" : "features.0.weight"}, 4)[1];
  net.classes = shape_of(cnn      ? std::vector<std::string>{"fc.0.weight"}
                         : resnet ? std::vector<std::string>{"fc.weight"}
                                  : std::vector<std::string>{"classifier.6.weight", "classifier.weight"},
                         2)[0];
  if (net.channels != 1 && net.channels != 3)
    throw FileError(path, -1, cat("its first layer reads ", net.channels, " channels; want 1 or 3"));
  return net;
}

int pretrain(const Pretrain& o) {
  check_outputs({program_data::place_of(o.source, o.source_path)}, {o.save});
  check_file(o.save);
  const DataSet source = source_of(o, o.seed);
  NetOptions net{.arch = o.arch, .image = o.image, .device = o.device};
  net.channels = source.train.x.shape()[1], net.classes = source.train.classes, net.recipe.epochs = o.epochs;
  const auto lab = make_lab(net);
  lab->pretrain(source.train, o.seed);
  lab->save(o.save);
  std::printf("%s: %.2f %% of the test set of %s, %lld prunable weights, into %s\n", o.arch.c_str(),
              lab->accuracy(source.test), source.name.c_str(), static_cast<long long>(lab->weights()), o.save.c_str());
  return 0;
}

int sparsify(const Sparsify& o) {
  Arm arm = o.arm;
  require(arm.method != "given" || !o.mask.empty(), "--method given wants --mask, the file of the mask");
  require(!arm.structured || o.mask.empty(), "--structured finds whole channels; with --mask there is nothing to find");
  require(!arm.structured || arm.method == "omp" || arm.method == "hydra" || arm.method == "vpns",
          "--structured goes with --method omp, hydra or vpns; not with ", printable(arm.method));
  check_outputs({o.model, program_data::place_of(o.data, o.path), o.mask},
                {o.files.mask, o.files.prompt, o.files.mapping, o.files.net});
  for (const std::string& file : {o.files.mask, o.files.prompt, o.files.mapping, o.files.net}) check_file(file);
  require(o.protocol == "text" || o.protocol == "code", "--protocol ", o.protocol, "; want text or code");
  if (!o.mask.empty()) arm.method = "given";
  const bool prompted = arm.method == "vpns" || !o.files.prompt.empty();
  if (!prompted) arm.prompt.clear();
  if (arm.method == "vpns") arm.find = o.protocol;
  if (prompted) arm.tune = o.protocol;
  require(arm.input <= o.image, "--input ", arm.input, " is more than --image ", o.image);
  arm.find_epochs = arm.tune_epochs = o.epochs;
  arm.mean_scores = arm.structured && (arm.method == "vpns" || arm.method == "hydra");
  const auto lab = make_lab(net_of_file(o.model, o));
  lab->load(o.model);
  const std::string given = o.mask.empty() ? std::string() : lab->read_mask(o.mask);
  const DataSet target = data_of(o, o.train);
  const Outcome out = lab->run(arm, target, Rates{}, o.seed, given);
  lab->write(o.files, arm);
  std::printf("%lld of %lld weights, %lld updates\n", static_cast<long long>(out.kept),
              static_cast<long long>(out.total), static_cast<long long>(out.updates));
  std::printf("accuracy %.2f %% as found, %.2f %% tuned", out.found, out.accuracy);
  if (prompted) std::printf(" (%.2f %% with the prompt, %.2f %% without)", out.with_prompt, out.without_prompt);
  std::printf("\n");
  return 0;
}

int evaluate(const Evaluate& o) {
  const auto lab = make_lab(net_of_file(o.files.net, o));
  const Outcome out = lab->judge(o.files, data_of(o, 0));
  std::printf("%lld of %lld weights\naccuracy %.2f %%", static_cast<long long>(out.kept),
              static_cast<long long>(out.total), out.accuracy);
  if (!o.files.prompt.empty()) std::printf(" with the prompt, %.2f %% without", out.without_prompt);
  std::printf("\n");
  return 0;
}

}  // namespace vpns
