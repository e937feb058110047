#include "lab.hpp"

namespace vpns {

std::unique_ptr<Lab> make_lab(const NetOptions& o) {
  return tenzo::on_device(o.device, [&]<class D>(D) {
    if (o.arch == "cnn") return cnn_lab<D>(o);
    if (o.arch == "resnet18" || o.arch == "resnet50") return resnet_lab<D>(o);
    if (o.arch == "vgg16") return vgg_lab<D>(o);
    throw tenzo::ValueError(
        tenzo::cat("unknown architecture ", tenzo::printable(o.arch), "; known are cnn, resnet18, resnet50, vgg16"));
  });
}

}  // namespace vpns
