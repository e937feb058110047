#include "lab_of.hpp"
#include "tenzo/models/unet.hpp"

namespace smug {

std::unique_ptr<Lab> unet_lab(const Sizes& s) {
  return std::make_unique<LabOf<tenzo::UNet>>(tenzo::unet_spec({.channels = 2, .width = s.channels, .levels = 2}), s,
                                              true);
}

}  // namespace smug
