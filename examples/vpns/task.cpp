#include "task.hpp"

#include <algorithm>
#include <vector>

#include "../shared/data.hpp"

namespace vpns {

using namespace tenzo;

namespace {

/// Images turned over their diagonal.
Samples<float> transposed(const Samples<float>& s) {
  const Shape& shape = s.x.shape();
  require(shape[2] == shape[3], "images of ", shape[2], " x ", shape[3], " pixels; want squares");
  Samples<float> out{Tensor<float>(shape), s.labels.clone(), s.classes};
  const std::int64_t n = shape[2];
  for (std::int64_t p = 0; p < shape[0] * shape[1]; ++p)
    for (std::int64_t y = 0; y < n; ++y)
      for (std::int64_t x = 0; x < n; ++x) out.x((p * n + y) * n + x) = s.x((p * n + x) * n + y);
  return out;
}

/// With the transposed images as further classes.
Samples<float> with_transposed(const Samples<float>& s) {
  Samples<float> t = transposed(s);
  for (std::int64_t& label : t.labels.values()) label += s.classes;
  t.classes = 2 * s.classes;
  return joined(s, t);
}

Samples<float> some(const Samples<float>& s, std::int64_t most, std::uint64_t seed) {
  return most >= s.size() ? s : s.at(stratified_rows(s.labels, s.classes, most, seed).second);
}

}  // namespace

DataSet set_of(const std::string& name, const std::string& path, const DataSetOptions& o, const std::string& option) {
  DataSet data = program_data::set_of(name, path, o, option);
  require(data.test.size() > 0, option, " ", name, " has no sample to judge by");
  return data;
}

DataSet source_of(const Options& o, std::uint64_t seed) {
  DataSet s = set_of(o.source, o.source_path, {.seed = seed}, "--source");
  if (o.source != "mnist5k") return s;
  s.train = with_transposed(s.train), s.test = with_transposed(s.test);
  const std::vector<std::string> names = s.classes;
  for (const std::string& name : names) s.classes.push_back(name + "ᵀ");
  s.name = "MNIST-5k and its transposed images";
  return s;
}

DataSet target_of(const Options& o, std::uint64_t seed) {
  DataSetOptions how{.seed = seed, .most_train = 300, .most_test = 1500, .image = {o.image, o.image}};
  if (program_data::is_fetched(o.data)) how.image = {};
  if (o.data == "digits") how.test = 1497;
  return set_of(o.data, o.path, how);
}

DataSet faces_of(std::uint64_t seed) { return set_of("faces", "", {.seed = seed, .test = 100}); }

DataSet inverted_of(const DataSet& source, std::uint64_t seed) {
  // The test images of the first half of the classes are the digits as they are.
  const std::int64_t classes = source.test.classes / 2;
  Rows rows;
  for (std::int64_t i = 0; i < source.test.size(); ++i)
    if (source.test.labels(i) < classes) rows.push_back(i);
  Samples<float> s = transposed(source.test.at(rows));
  s.classes = classes;
  const std::int64_t n = s.x.shape()[2];
  for (std::int64_t row = 0; row < s.x.size() / n; ++row) {  // transposed and mirrored: turned
    float* const x = s.x.data() + row * n;
    std::reverse(x, x + n);
    for (std::int64_t i = 0; i < n; ++i) x[i] = 1 - x[i];
  }
  auto [train, test] = stratified_split(s, s.size() - 300, seed);
  return {"inverted digits, turned",
          std::move(train),
          std::move(test),
          {source.classes.begin(), source.classes.begin() + classes}};
}

DataSet part_of(const DataSet& source, std::int64_t samples, std::uint64_t seed) {
  return {source.name, some(source.train, samples, seed), some(source.test, 1000, seed), source.classes};
}

}  // namespace vpns
