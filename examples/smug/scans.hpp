// The images of a run: slices of volumes or of scans, apart for training and for judging.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "options.hpp"
#include "tenzo/mri/cg_solver.hpp"
#include "tenzo/mri/row_solver.hpp"

namespace smug {

using F = tenzo::Tensor<float>;
using Encoding = tenzo::mri::Encoding<F>;

/// Data consistency, exactly by rows where all images share their coil maps, else by conjugate gradients.
class Solver {
 public:
  Solver() = default;
  explicit Solver(const Encoding& e) {
    if (e.maps.rank() == 4) solver_ = tenzo::mri::RowSolver<F>(e);
    else solver_ = tenzo::mri::CgSolver<F>(e, {.iterations = 30});
  }

  const Encoding& encoding() const {
    return std::visit([](const auto& s) -> const Encoding& { return s.encoding(); }, solver_);
  }
  template <tenzo::Value B, tenzo::Value L>
  auto solve(const B& b, const L& lambda) const {
    return tenzo::mri::normal_solve(*this, b, lambda);
  }
  F solve_plain(const F& b, double lambda) const {
    return std::visit([&](const auto& s) { return s.solve_plain(b, lambda); }, solver_);
  }
  /// The extreme singular values of A; those of A ≥ 0, ‖A‖ ≤ 1 where they are not computed.
  std::pair<double, double> singular_values() const;

 private:
  std::variant<tenzo::mri::RowSolver<F>, tenzo::mri::CgSolver<F>> solver_;
};

/// Images that were measured: what a method reconstructs, and what it is judged by.
struct Acquisition {
  Solver solver;
  F truth;                        // (n, W, W, 2), largest magnitude at most one
  F kspace;                       // (n, C, W, W, 2), zero on lines that are not sampled
  std::vector<std::int64_t> ids;  // of the images: their noise

  const Encoding& encoding() const { return solver.encoding(); }
  F zero_filled() const { return encoding().adjoint(kspace); }
};

/// What a run trains on and judges by.
class Scans {
 public:
  virtual ~Scans() = default;

  /// What they are, and how many a run of this seed trains on and judges by.
  virtual std::string description(std::uint64_t seed) const = 0;
  virtual std::int64_t width() const = 0;
  /// One image of training step `step`: drawn, changed at random, and measured.
  virtual Acquisition training_image(std::uint64_t seed, std::int64_t step) const = 0;
  /// The images to judge by, measured with the mask of this acceleration and number; the seed is that of their choice,
  /// phases and noise. Mask 1 is that of training.
  virtual Acquisition judged(std::uint64_t seed, double acceleration, std::uint64_t mask = 1) const = 0;
  /// Images of another kind than those trained on; without any, an acquisition of none.
  virtual Acquisition others(std::uint64_t seed) const = 0;
};

/// The scans of the options: a folder of fastMRI's HDF5 files, of the authors' .npz slices, or of NIfTI volumes, in
/// that order; without a folder the volumes that scripts/fetch brings.
///   Throws  FileError, ValueError.
std::unique_ptr<Scans> load_scans(const Options& o, const Sizes& s);

/// What of the outside the run depends on, for its record.
std::string place_of_scans(const Options& o);

}  // namespace smug
