#include "certify_file.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>

#include "../shared/data.hpp"
#include "certify_networks.hpp"
#include "tenzo/io/model_file.hpp"
#include "tenzo/io/outputs.hpp"
#include "tenzo/io/progress.hpp"
#include "tenzo/models/lenet.hpp"
#include "tenzo/smoothing/classifier.hpp"

namespace smug::certify {

using namespace tenzo;
using namespace tenzo::smoothing;

namespace {

/// Certified accuracy in percent of each log, a line a log, and the envelope below several.
void print_table(const std::vector<std::string>& names, const std::vector<CertificateLog>& logs) {
  double farthest = 0;
  for (const CertificateLog& log : logs)
    for (const CertifiedImage& c : log) farthest = std::max(farthest, c.right() ? c.radius : 0);
  // a dozen radii at most, at even steps
  double step = 0.25;
  while (farthest / step > 11) step *= 2;
  std::printf("%-32s %7s %7s %7s", "log", "images", "ACR", "abstain");
  for (double r = 0; r <= farthest; r += step) std::printf(" %6.4g", r);
  std::printf("\n");
  for (std::size_t i = 0; i < logs.size(); ++i) {
    std::printf("%-32s %7zu %7.3f %7.3f", one_line(names[i], 32).c_str(), logs[i].size(),
                average_certified_radius(logs[i]), abstentions(logs[i]));
    for (double r = 0; r <= farthest; r += step) std::printf(" %6.1f", 100 * certified_accuracy(logs[i], r));
    std::printf("\n");
  }
  if (logs.size() > 1) {
    std::printf("%-32s %7s %7s %7s", "envelope", "", "", "");
    for (double r = 0; r <= farthest; r += step) std::printf(" %6.1f", 100 * envelope(logs, r));
    std::printf("\n");
  }
}

/// The form of a LeNet whose weights a file holds, for images of a data set.
LeNetConfig form_of(const SafetensorsFile& file, const std::string& path, const DataSet& data) {
  const Shape& image = data.test.x.shape();
  LeNetConfig c{.channels = image[1], .image = {image[2], image[3]}, .classes = data.test.classes};
  const auto rows = [&](const char* name, std::int64_t& to) {
    const StoredTensor* t = file.tensors().find(name);
    if (!t) throw FileError(path, -1, cat("has no tensor for '", name, "'; want a LeNet: conv1, conv2, fc1, fc2"));
    if (t->shape().rank() < 1 || t->shape()[0] < 1) throw FileError(path, -1, cat("'", name, "' is ", t->shape()));
    to = t->shape()[0];
  };
  rows("conv1.weight", c.first), rows("conv2.weight", c.second), rows("fc1.weight", c.hidden);
  return c;
}

}  // namespace

int certify_model(const Options& o) {
  const std::string place = program_data::place_of(o.data, o.path);
  check_outputs({o.model, place}, {o.log});
  check_file(o.log);
  const SafetensorsFile file = SafetensorsFile::open(o.model);
  const DataSet data = certifiable(o);
  const Network network = load_model<float>(lenet_spec(form_of(file, o.model, data)), file, o.model);
  const SmoothedClassifier g(answers(network, o.device), AdditiveNoise{Family::gaussian, o.sigma});
  const CertifyOptions how{.selection = o.selection, .samples = o.samples, .alpha = o.alpha, .seed = o.seed};
  CertificateLog log;
  Progress bar("certify", (data.test.size() + o.skip - 1) / o.skip);
  for (std::int64_t i = 0; i < data.test.size(); i += o.skip) {
    const auto start = std::chrono::steady_clock::now();
    const Certificate c = g.certify(data.test.x.rows(i, i + 1).reshaped(data.test.x.shape().without(0)), i, how);
    log.push_back({.index = i,
                   .label = data.test.labels(i),
                   .predicted = c.label,
                   .radius = c.radius,
                   .seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count()});
    bar.update(std::int64_t(log.size()));
  }
  bar.finish();
  save_certificates(o.log, log);
  print_table({o.log}, {log});
  std::printf("radii are capped at %.4g by %lld copies at alpha %g; the log: %s\n",
              radius_cap(o.sigma, o.samples, o.alpha), static_cast<long long>(o.samples), o.alpha, o.log.c_str());
  return 0;
}

int analyze(const Options& o) {
  std::vector<CertificateLog> logs;
  for (const std::string& path : o.logs) {
    logs.push_back(load_certificates(path));
    if (logs.back().empty()) throw FileError(path, -1, "tells of no image");
  }
  print_table(o.logs, logs);
  return 0;
}

}  // namespace smug::certify
