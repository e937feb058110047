#include "lab_of.hpp"
#include "tenzo/models/unet.hpp"

namespace smug {

template <class Device>
std::unique_ptr<Lab> unet_lab(const Sizes& s) {
  return std::make_unique<LabOf<tenzo::UNet, Device>>(
      "unet", tenzo::unet_spec({.channels = 2, .width = s.channels, .levels = 2}), s, true);
}

template std::unique_ptr<Lab> unet_lab<TENZO_DEVICE>(const Sizes&);

}  // namespace smug
