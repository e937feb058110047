#include "lab.hpp"

#include "tenzo/core/error.hpp"

namespace smug {

const std::vector<std::string>& denoisers() {
  static const std::vector<std::string> names = {"cnn", "unet", "didn"};
  return names;
}

std::unique_ptr<Lab> make_lab(const std::string& denoiser, const Sizes& s) {
  if (denoiser == "cnn") return cnn_lab(s);
  if (denoiser == "unet") return unet_lab(s);
  tenzo::require(denoiser == "didn", "--denoiser ", denoiser, "; want cnn, unet or didn");
  return didn_lab(s);
}

}  // namespace smug
