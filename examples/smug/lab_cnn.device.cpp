#include "lab_of.hpp"
#include "tenzo/models/residual_cnn.hpp"

namespace smug {

template <class Device>
std::unique_ptr<Lab> cnn_lab(const Sizes& s) {
  return std::make_unique<LabOf<tenzo::ResidualCnn, Device>>(
      "cnn", tenzo::residual_cnn_spec({.channels = 2, .width = s.channels, .depth = 5}), s, false);
}

template std::unique_ptr<Lab> cnn_lab<TENZO_DEVICE>(const Sizes&);

}  // namespace smug
