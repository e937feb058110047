#include "lab.hpp"

namespace worst_case {

const std::vector<std::string>& architectures() {
  static const std::vector<std::string> all = {"mlp", "cnn", "resnet18"};
  return all;
}

std::unique_ptr<Lab> make_lab(const std::string& arch, const tenzo::DataSet& data, const Recipe& recipe,
                              const tenzo::Samples<float>* held_out) {
  if (arch == "mlp") return mlp_lab(data, recipe, held_out);
  if (arch == "cnn") return cnn_lab(data, recipe, held_out);
  if (arch == "resnet18") return resnet_lab(data, recipe, held_out);
  std::string known;
  for (const std::string& a : architectures()) known += (known.empty() ? "" : ", ") + a;
  throw tenzo::ValueError(tenzo::cat("unknown architecture ", tenzo::printable(arch), "; known are ", known));
}

}  // namespace worst_case
