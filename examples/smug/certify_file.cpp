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

/// The log that a run of the same options has begun, to go on with; empty where there is none.
///   certify(i) → the line of image i
///   Throws  FileError where it is no log, or one of other images; and where its last image, certified again, has
///           another class or radius: the network or the noise was another.
template <class Certify>
CertificateLog begun(const Options& o, const DataSet& data, Certify&& certify) {
  if (!o.resume || !std::filesystem::exists(o.log)) return {};
  const CertificateLog log = load_certificates(o.log);
  for (std::size_t i = 0; i < log.size(); ++i) {
    const std::int64_t image = std::int64_t(i) * o.skip;
    if (log[i].index != image || image >= data.test.size() || log[i].label != data.test.labels(image))
      throw FileError(
          o.log, -1,
          cat("is the log of another run: line ", i + 2, " is of image ", log[i].index, " of class ", log[i].label));
  }
  if (log.empty()) return log;
  const CertifiedImage& last = log.back();
  // as a log says it: radii are rounded there
  const CertifiedImage again = parse_certificates(write_certificates({certify(last.index)}), o.log).front();
  if (again.predicted != last.predicted || again.radius != last.radius)
    throw FileError(o.log, -1,
                    cat("is the log of another run: image ", last.index, " is certified as ", last.predicted, " to ",
                        last.radius, " there, and as ", again.predicted, " to ", again.radius, " here"));
  return log;
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
  const auto certify = [&](std::int64_t i) {
    const auto start = std::chrono::steady_clock::now();
    const Certificate c = g.certify(data.test.x.rows(i, i + 1).reshaped(data.test.x.shape().without(0)), i, how);
    return CertifiedImage{.index = i,
                          .label = data.test.labels(i),
                          .predicted = c.label,
                          .radius = c.radius,
                          .seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count()};
  };
  CertificateLog log = begun(o, data, certify);
  Progress bar("certify", (data.test.size() + o.skip - 1) / o.skip, std::int64_t(log.size()));
  constexpr std::size_t every = 10;  // images that an interrupted run loses at most
  for (std::int64_t i = std::int64_t(log.size()) * o.skip; i < data.test.size(); i += o.skip) {
    log.push_back(certify(i));
    if (log.size() % every == 0) save_certificates(o.log, log);
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
