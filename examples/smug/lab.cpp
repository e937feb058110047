#include "lab.hpp"

#include "tenzo/core/error.hpp"

namespace smug {

const std::vector<std::string>& denoisers() {
  static const std::vector<std::string> names = {"cnn", "unet", "didn", "dncnn"};
  return names;
}

std::unique_ptr<Lab> make_lab(const std::string& denoiser, tenzo::DeviceOption device, const Sizes& s) {
  return tenzo::on_device(device, [&]<class D>(D) {
    if (denoiser == "cnn") return cnn_lab<D>(s);
    if (denoiser == "unet") return unet_lab<D>(s);
    if (denoiser == "didn") return didn_lab<D>(s);
    tenzo::require(denoiser == "dncnn", "--denoiser ", denoiser, "; want one of ", tenzo::listed(denoisers()));
    return dncnn_lab<D>(s);
  });
}

}  // namespace smug
