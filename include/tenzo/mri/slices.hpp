// Axial slices of a volume as square images.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "tenzo/core/error.hpp"
#include "tenzo/core/parallel.hpp"
#include "tenzo/core/tensor.hpp"
#include "tenzo/data/samples.hpp"
#include "tenzo/data/volume.hpp"

namespace tenzo::mri {

namespace detail {

/// How much of each of `out` cells of a length lies in each voxel of `in`, both rows around the same centre, as shares
/// of the cell. What lies beyond the voxels is in none.
struct CellShares {
  struct Cell {
    std::int64_t first = 0;
    std::vector<double> shares;
  };
  std::vector<Cell> at;

  /// voxel, cell: their lengths in mm.
  CellShares(std::int64_t in, double voxel, std::int64_t out, double cell) {
    const double scale = cell / voxel, start = (double(in) - double(out) * scale) / 2;  // in voxels
    for (std::int64_t i = 0; i < out; ++i) {
      const double low = start + double(i) * scale, high = low + scale;
      const double from = std::clamp(std::floor(low), 0., double(in)), to = std::clamp(std::ceil(high), 0., double(in));
      Cell c{std::int64_t(from), {}};
      for (double k = from; k < to; ++k) c.shares.push_back((std::min(high, k + 1) - std::max(low, k)) / scale);
      at.push_back(std::move(c));
    }
  }
};

}  // namespace detail

/// Slices z of a volume whose axes are right, front, top (to_ras): row 0 is the front, column 0 the subject's left.
///   Method  every pixel is the mean of the square that it covers, of zero beyond the volume: average pooling where the
///           pixel is a whole number of voxels. The image has the slice's centre and its longer side, or `field` mm.
///           Then each is divided by its largest magnitude.
///   Returns (number of z, width, width).
///   Throws  ValueError for a slice that is not there or is zero everywhere.
inline Tensor<float> axial_slices(const Volume& v, std::span<const std::int64_t> z, std::int64_t width,
                                  double field = 0) {
  expect(v.voxels.rank() == 3, "axial_slices: voxels are ", v.voxels.shape(), "; want (z, y, x)");
  require(width >= 1 && field >= 0 && std::isfinite(field), "axial_slices: ", width, " pixels of ", field, " mm");
  const std::int64_t depth = v.voxels.dim(0), rows = v.voxels.dim(1), columns = v.voxels.dim(2);
  require(v.voxels.size() > 0, "axial_slices: a volume ", v.voxels.shape(), " without voxels");
  for (const double mm : v.spacing) require(mm > 0 && std::isfinite(mm), "axial_slices: voxels of ", mm, " mm");
  if (field == 0) field = std::max(double(rows) * v.spacing[1], double(columns) * v.spacing[2]);
  const double pixel = field / double(width);
  const detail::CellShares down(rows, v.spacing[1], width, pixel), across(columns, v.spacing[2], width, pixel);
  for (const std::int64_t k : z) require(k >= 0 && k < depth, "axial_slices: slice ", k, " of ", depth);

  Tensor<float> out(Shape{std::int64_t(z.size()), width, width});
  std::vector<std::uint8_t> empty(z.size());
  parallel_for(std::int64_t(z.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<double> narrow(std::size_t(rows * width));
    for (std::int64_t i = begin; i < end; ++i) {
      const float* from = v.voxels.data() + z[std::size_t(i)] * rows * columns;
      for (std::int64_t y = 0; y < rows; ++y)
        for (std::int64_t x = 0; x < width; ++x) {
          const auto& cell = across.at[std::size_t(x)];
          double sum = 0;
          for (std::size_t k = 0; k < cell.shares.size(); ++k)
            sum += cell.shares[k] * double(from[y * columns + cell.first + std::int64_t(k)]);
          narrow[std::size_t(y * width + x)] = sum;
        }
      float* const to = out.data() + i * width * width;
      double largest = 0;
      for (std::int64_t y = 0; y < width; ++y)
        for (std::int64_t x = 0; x < width; ++x) {
          const auto& cell = down.at[std::size_t(width - 1 - y)];
          double sum = 0;
          for (std::size_t k = 0; k < cell.shares.size(); ++k)
            sum += cell.shares[k] * narrow[std::size_t((cell.first + std::int64_t(k)) * width + x)];
          to[y * width + x] = float(sum);
          largest = std::max(largest, std::abs(double(to[y * width + x])));
        }
      empty[std::size_t(i)] = !(largest > 0);
      for (std::int64_t j = 0; j < width * width; ++j) to[j] = float(double(to[j]) / largest);
    }
  });
  for (std::size_t i = 0; i < z.size(); ++i)
    require(!empty[i], "axial_slices: slice ", z[i], " is zero everywhere; choose slices of tissue");
  return out;
}

/// The slices of which more than `share` of the voxels are tissue: above `level` times the volume's largest voxel.
inline Rows tissue_slices(const Volume& v, double share = 0.15, double level = 0.1) {
  expect(v.voxels.rank() == 3, "tissue_slices: voxels are ", v.voxels.shape(), "; want (z, y, x)");
  const std::int64_t area = v.voxels.dim(1) * v.voxels.dim(2);
  float largest = 0;
  for (const float x : v.voxels.values()) largest = std::max(largest, x);
  Rows out;
  for (std::int64_t z = 0; z < v.voxels.dim(0); ++z) {
    const auto slice = v.voxels.values().subspan(std::size_t(z * area), std::size_t(area));
    const auto n = std::count_if(slice.begin(), slice.end(), [&](float x) { return x > level * double(largest); });
    if (double(n) > share * double(area)) out.push_back(z);
  }
  return out;
}

}  // namespace tenzo::mri
