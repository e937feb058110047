#include "lab_of.hpp"
#include "tenzo/models/dncnn.hpp"

namespace smug {

template <class Device>
std::unique_ptr<Lab> dncnn_lab(const Sizes& s) {
  return std::make_unique<LabOf<tenzo::DnCnn, Device>>(
      "dncnn", tenzo::dncnn_spec({.channels = 2, .depth = 7, .width = s.channels}), s, true);
}

template std::unique_ptr<Lab> dncnn_lab<TENZO_DEVICE>(const Sizes&);

}  // namespace smug
