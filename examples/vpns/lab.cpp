#include "lab.hpp"

namespace vpns {

std::unique_ptr<Lab> make_lab(const NetOptions& o) {
  if (o.arch == "cnn") return cnn_lab(o);
  if (o.arch == "resnet18") return resnet_lab(o);
  if (o.arch == "vgg16") return vgg_lab(o);
  throw tenzo::ValueError(
      tenzo::cat("unknown architecture ", tenzo::printable(o.arch), "; known are cnn, resnet18, vgg16"));
}

}  // namespace vpns
