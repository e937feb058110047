#include "lab.hpp"

namespace worst_case {

const std::vector<std::string>& architectures() {
  static const std::vector<std::string> all = {"mlp", "cnn", "resnet18", "resnet18-pooled"};
  return all;
}

std::unique_ptr<Lab> make_lab(const std::string& arch, tenzo::DeviceOption device, const tenzo::DataSet& data,
                              const Recipe& recipe, const tenzo::Samples<float>* held_out) {
  return tenzo::on_device(device, [&]<class D>(D) {
    if (arch == "mlp") return mlp_lab<D>(data, recipe, held_out);
    if (arch == "cnn") return cnn_lab<D>(data, recipe, held_out);
    if (arch == "resnet18" || arch == "resnet18-pooled")
      return resnet_lab<D>(data, recipe, held_out, arch == "resnet18-pooled");
    throw tenzo::ValueError(
        tenzo::cat("unknown architecture ", tenzo::printable(arch), "; known are ", tenzo::listed(architectures())));
  });
}

}  // namespace worst_case
