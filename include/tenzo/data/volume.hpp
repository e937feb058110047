// Volumes of voxels, and where they lie in the body.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <utility>

#include "tenzo/core/error.hpp"
#include "tenzo/core/tensor.hpp"

namespace tenzo {

/// A scan. The voxel (z, y, x) lies at world · (x, y, z, 1), in mm towards the subject's right, front and top.
struct Volume {
  using World = std::array<std::array<double, 4>, 3>;

  Tensor<float> voxels;                       // (z, y, x): the order of files whose x runs fastest
  std::array<double, 3> spacing = {1, 1, 1};  // mm from voxel to voxel along z, y, x
  World world = {{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}};
};

namespace detail {

/// For each of right, front and top the axis of the file (0 is x) that runs nearest along it, and whether towards it.
///   Axes are taken largest cosine first, so each is taken once; one without length takes what is left.
struct NearestAxes {
  std::array<int, 3> axis = {0, 1, 2};
  std::array<bool, 3> backward = {};

  explicit NearestAxes(const Volume::World& world) {
    std::array<double, 3> length = {};
    for (int a = 0; a < 3; ++a)
      for (const auto& row : world) length[std::size_t(a)] += row[std::size_t(a)] * row[std::size_t(a)];
    std::array<bool, 3> has_axis = {}, taken = {};
    for (int k = 0; k < 3; ++k) {
      double best = -1;
      std::size_t at_row = 0, at_axis = 0;
      for (std::size_t r = 0; r < 3; ++r)
        for (std::size_t a = 0; a < 3; ++a) {
          const double cosine = length[a] > 0 ? std::abs(world[r][a]) / std::sqrt(length[a]) : 0;
          if (!has_axis[r] && !taken[a] && cosine > best) best = cosine, at_row = r, at_axis = a;
        }
      has_axis[at_row] = taken[at_axis] = true;
      axis[at_row] = int(at_axis);
      backward[at_row] = world[at_row][at_axis] < 0;
    }
  }
};

}  // namespace detail

/// The same voxels in the order in which x runs to the right, y to the front and z to the top, as nearly as turns by
/// right angles and mirrors can do it: no voxel is interpolated. Where they are in this order they are shared.
inline Volume to_ras(const Volume& v) {
  expect(v.voxels.rank() == 3, "to_ras: voxels are ", v.voxels.shape(), "; want (z, y, x)");
  const detail::NearestAxes nearest(v.world);
  if (nearest.axis == std::array{0, 1, 2} && nearest.backward == std::array{false, false, false}) return v;
  Volume out;
  std::array<std::int64_t, 3> size = {}, step = {};  // of x, y, z of the result; steps are of the old voxels
  std::int64_t first = 0;
  const std::array<std::int64_t, 3> old_size = {v.voxels.dim(2), v.voxels.dim(1), v.voxels.dim(0)},
                                    old_step = {1, old_size[0], old_size[0] * old_size[1]};
  for (std::size_t r = 0; r < 3; ++r) out.world[r][3] = v.world[r][3];
  for (std::size_t r = 0; r < 3; ++r) {
    const auto a = std::size_t(nearest.axis[r]);
    const bool backward = nearest.backward[r];
    size[r] = old_size[a];
    step[r] = backward ? -old_step[a] : old_step[a];
    out.spacing[2 - r] = v.spacing[2 - a];
    if (backward && size[r] > 0) first += (size[r] - 1) * old_step[a];
    for (std::size_t k = 0; k < 3; ++k) {
      out.world[k][r] = backward ? -v.world[k][a] : v.world[k][a];
      if (backward) out.world[k][3] += v.world[k][a] * double(size[r] - 1);
    }
  }
  out.voxels = Tensor<float>(Shape{size[2], size[1], size[0]});
  float* to = out.voxels.data();
  for (std::int64_t z = 0; z < size[2]; ++z)
    for (std::int64_t y = 0; y < size[1]; ++y) {
      std::int64_t from = first + z * step[2] + y * step[1];
      for (std::int64_t x = 0; x < size[0]; ++x, from += step[0]) *to++ = v.voxels(from);
    }
  return out;
}

}  // namespace tenzo
