#include "scans.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <numeric>
#include <utility>

#include "../shared/data.hpp"
#include "tenzo/data/nifti.hpp"
#include "tenzo/mri/augment.hpp"
#include "tenzo/mri/coil_maps.hpp"
#include "tenzo/mri/fastmri.hpp"
#include "tenzo/mri/masks.hpp"
#include "tenzo/mri/measurement_noise.hpp"
#include "tenzo/mri/scan_slice.hpp"
#include "tenzo/mri/slice_cache.hpp"
#include "tenzo/mri/slices.hpp"
#include "tenzo/mri/split.hpp"

namespace smug {

using namespace tenzo;

std::pair<double, double> Solver::singular_values() const {
  if (const auto* rows = std::get_if<mri::RowSolver<F>>(&solver_)) {
    const auto [low, high] = rows->spectrum();
    return {std::sqrt(low), std::sqrt(high)};
  }
  return {0, 1};
}

namespace {

/// The mask of a run: one for training and judging, as in the paper; other rates have masks of their own.
F mask_of(std::int64_t width, double acceleration) {
  return mri::line_mask<float>(width, {.acceleration = acceleration, .seed = 1});
}

Acquisition measured(Solver solver, F truth, std::vector<std::int64_t> ids, double noise, std::uint64_t seed) {
  Acquisition a{std::move(solver), std::move(truth), {}, std::move(ids)};
  a.kspace = mri::with_measurement_noise(a.encoding(), a.encoding().forward(a.truth), noise, seed, a.ids.front());
  return a;
}

/// Evenly spread over the rows, the first and the last among them.
Rows spread_over(const Rows& all, std::int64_t most) {
  if (std::int64_t(all.size()) <= most) return all;
  Rows out;
  for (std::int64_t i = 0; i < most; ++i)
    out.push_back(all[std::size_t(i * (std::int64_t(all.size()) - 1) / std::max<std::int64_t>(1, most - 1))]);
  return out;
}

F joined(const std::vector<F>& parts) {
  std::int64_t n = 0;
  for (const F& p : parts) n += p.dim(0);
  F out(Shape{n, parts.front().dim(1), parts.front().dim(2)});
  float* to = out.data();
  for (const F& p : parts) to = std::copy_n(std::as_const(p).data(), p.size(), to);
  return out;
}

/// Slices of magnitude images with simulated phases and coils.
class Volumes final : public Scans {
 public:
  Volumes(std::string name, F train, F judged, F others, const Sizes& s)
      : name_(std::move(name)),
        train_(std::move(train)),
        judged_(std::move(judged)),
        others_(std::move(others)),
        sizes_(s),
        maps_(mri::simulated_maps<float>(s.coils, s.width, s.width)),
        solver_(mri::encoding(maps_, mask_of(s.width, s.acceleration))) {}

  std::string description() const override {
    return cat(name_, ": ", train_.dim(0), " slices to train on, ", judged_.dim(0), " to judge by, ", sizes_.width,
               " x ", sizes_.width, ", ", sizes_.coils, " simulated coils");
  }
  std::int64_t width() const override { return sizes_.width; }
  std::int64_t train_size() const override { return train_.dim(0); }

  Acquisition training_image(std::uint64_t seed, std::int64_t step) const override {
    const Integers draw(NoiseKey{.seed = seed, .step = std::uint32_t(step), .query = 12}.of(Purpose::data_order));
    const std::int64_t row = draw.below(train_.dim(0), 0);
    const std::vector<std::int64_t> id{row};
    const F image = mri::with_phase(mri::augmented(train_.rows(row, row + 1), id, seed, step), id, seed, step);
    return measured(solver_, image, id, sizes_.noise, seed + std::uint64_t(step) * 1000003);
  }
  Acquisition judged(std::uint64_t seed, double acceleration) const override {
    return acquired(judged_, judged_first, seed,
                    acceleration == sizes_.acceleration
                        ? solver_
                        : Solver(mri::encoding(maps_, mask_of(sizes_.width, acceleration))));
  }
  Acquisition others(std::uint64_t seed) const override {
    return others_.defined() ? acquired(others_, others_first, seed, solver_) : Acquisition{};
  }

 private:
  static constexpr std::int64_t judged_first = 1 << 20,
                                others_first = 1 << 21;  // beside the numbers of training images

  Acquisition acquired(const F& images, std::int64_t first, std::uint64_t seed, Solver solver) const {
    std::vector<std::int64_t> ids(std::size_t(images.dim(0)));
    std::iota(ids.begin(), ids.end(), first);
    return measured(std::move(solver), mri::with_phase(images, ids, seed, 0), ids, sizes_.noise, seed);
  }

  std::string name_;
  F train_, judged_, others_;
  Sizes sizes_;
  F maps_;
  Solver solver_;
};

/// Scans with k-space and coil maps of their own, cut to the middle.
class Measured final : public Scans {
 public:
  Measured(std::string name, std::vector<mri::ScanSlice> train, std::vector<mri::ScanSlice> judged, const Sizes& s)
      : name_(std::move(name)), train_(std::move(train)), judged_(std::move(judged)), sizes_(s) {}

  std::string description() const override {
    return cat(name_, ": ", train_.size(), " slices to train on, ", judged_.size(), " to judge by, ", width(), " x ",
               width(), ", ", train_.front().maps.dim(0), " coils");
  }
  std::int64_t width() const override { return train_.front().image.dim(1); }
  std::int64_t train_size() const override { return std::int64_t(train_.size()); }

  Acquisition training_image(std::uint64_t seed, std::int64_t step) const override {
    const Integers draw(NoiseKey{.seed = seed, .step = std::uint32_t(step), .query = 12}.of(Purpose::data_order));
    const std::int64_t i = draw.below(train_size(), 0);
    return acquired({&train_[std::size_t(i)]}, i, sizes_.acceleration);
  }
  Acquisition judged(std::uint64_t, double acceleration) const override {
    std::vector<const mri::ScanSlice*> all;
    for (const auto& s : judged_) all.push_back(&s);
    return acquired(all, 1 << 20, acceleration);
  }
  Acquisition others(std::uint64_t) const override { return {}; }

 private:
  Acquisition acquired(const std::vector<const mri::ScanSlice*>& slices, std::int64_t first, double rate) const {
    const Shape& one = slices.front()->maps.shape();
    const auto n = std::int64_t(slices.size());
    F maps(one.inserted(0, n)), kspace(one.inserted(0, n)), truth(Shape{n, one[1], one[2], 2});
    Acquisition a;
    for (std::int64_t i = 0; i < n; ++i) {
      const mri::ScanSlice& s = *slices[std::size_t(i)];
      expect(s.maps.shape() == one, "scans: one slice is ", one, ", another ", s.maps.shape());
      std::copy_n(s.maps.data(), s.maps.size(), maps.data() + i * s.maps.size());
      std::copy_n(s.kspace.data(), s.kspace.size(), kspace.data() + i * s.kspace.size());
      std::copy_n(s.image.data(), s.image.size(), truth.data() + i * s.image.size());
      a.ids.push_back(first + i);
    }
    a.solver = Solver(mri::encoding(maps, mask_of(one[2], rate)));
    a.truth = truth;
    a.kspace = mul(kspace, a.encoding().lines());
    return a;
  }

  std::string name_;
  std::vector<mri::ScanSlice> train_, judged_;
  Sizes sizes_;
};

std::string fetched_folder() { return program_data::place_of("mri", ""); }

std::unique_ptr<Scans> fetched(const Options& o, const Sizes& s) {
  const std::string folder = fetched_folder(), name = o.full ? "ch2better" : "ch2";
  const Volume head = to_ras(read_nifti(cat(folder, "/", name, ".nii.gz")));
  const Volume macaque = to_ras(read_nifti(folder + "/inia19-t1-brain.nii.gz"));
  const mri::TrainTest split = mri::slab_split(mri::tissue_slices(head));
  const Rows far = mri::slab_split(mri::tissue_slices(macaque)).test;
  return std::make_unique<Volumes>(cat("T1 volume ", name, ", one human subject"),
                                   mri::axial_slices(head, split.train, s.width),
                                   mri::axial_slices(head, spread_over(split.test, s.test_slices), s.width),
                                   mri::axial_slices(macaque, far, s.width), s);
}

/// Of several subjects whole ones are judged by, of one its slabs.
std::unique_ptr<Scans> from_volumes(const std::vector<std::string>& files, const Options& o, const Sizes& s) {
  std::vector<std::string> subjects;
  for (const std::string& f : files) subjects.push_back(mri::subject_of(f));
  const auto distinct = [&] {
    auto names = subjects;
    std::sort(names.begin(), names.end());
    return std::unique(names.begin(), names.end()) - names.begin();
  }();
  std::vector<F> train, judged;
  const mri::TrainTest by_subject =
      distinct > 1 ? mri::subject_split(subjects, std::max<std::int64_t>(1, distinct / 5), o.seed) : mri::TrainTest{};
  for (std::size_t i = 0; i < files.size(); ++i) {
    const Volume v = to_ras(read_nifti(files[i]));
    const Rows z = mri::tissue_slices(v);
    if (z.empty()) throw FileError(files[i], -1, "has no slice of tissue");
    if (distinct > 1) {
      const bool in_test = std::binary_search(by_subject.test.begin(), by_subject.test.end(), std::int64_t(i));
      (in_test ? judged : train).push_back(mri::axial_slices(v, in_test ? spread_over(z, s.test_slices) : z, s.width));
    } else {
      const mri::TrainTest split = mri::slab_split(z);
      train.push_back(mri::axial_slices(v, split.train, s.width));
      judged.push_back(mri::axial_slices(v, spread_over(split.test, s.test_slices), s.width));
    }
  }
  return std::make_unique<Volumes>(cat(files.size(), " volumes of ", distinct, " subjects"), joined(train),
                                   joined(judged), F{}, s);
}

/// The middle of a scan's slices, with maps from its own calibration lines.
std::unique_ptr<Scans> from_fastmri(const std::vector<std::string>& files, const Options& o, const Sizes& s) {
  require(files.size() > 1, "--data ", o.data, " holds one scan; want one to train on and one to judge by");
  std::vector<std::string> subjects;
  std::vector<std::pair<std::size_t, std::int64_t>> slices;
  std::vector<std::string> of_slice;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const mri::FastMriInfo info = mri::FastMriFile::open(files[i]).info();
    if (!info.mask.empty()) throw FileError(files[i], -1, "is undersampled already; want scans with all of k-space");
    for (std::int64_t z = info.slices / 4; z < std::max<std::int64_t>(info.slices * 3 / 4, 1); ++z) {
      slices.emplace_back(i, z);
      of_slice.push_back(info.patient.empty() ? mri::subject_of(files[i]) : info.patient);
    }
  }
  auto distinct = of_slice;
  std::sort(distinct.begin(), distinct.end());
  const auto n = std::unique(distinct.begin(), distinct.end()) - distinct.begin();
  require(n > 1, "--data ", o.data, " holds scans of one patient; want one to train on and one to judge by");
  const mri::TrainTest split = mri::subject_split(of_slice, std::max<std::int64_t>(1, n / 5), o.seed);
  const auto read = [&](const Rows& rows) {
    std::vector<mri::ScanSlice> out;
    for (const std::int64_t r : rows) {
      const auto& [file, z] = slices[std::size_t(r)];
      const F k = mri::FastMriFile::open(files[file]).kspace(z);
      const std::int64_t side = std::min<std::int64_t>({320, k.dim(1), k.dim(2)});
      const F cropped = mri::cropped_kspace(k, side, side);
      out.push_back(mri::scan_slice(
          cropped, mri::low_resolution_maps(cropped, mri::line_mask<float>(side, {.acceleration = s.acceleration}))));
    }
    return out;
  };
  return std::make_unique<Measured>(cat(files.size(), " scans of fastMRI, ", n, " patients"), read(split.train),
                                    read(spread_over(split.test, s.test_slices)), s);
}

/// Slices with the authors' own maps. Which patient one is of is not known: the last fifth of the files is judged by.
std::unique_ptr<Scans> from_cache(const std::vector<std::string>& files, const Options& o, const Sizes& s) {
  require(files.size() > 4, "--data ", o.data, " holds ", files.size(), " slices; want five or more");
  const std::size_t first = files.size() - std::max<std::size_t>(1, files.size() / 5);
  const auto read = [&](std::size_t begin, std::size_t end) {
    std::vector<mri::ScanSlice> out;
    for (std::size_t i = begin; i < end; ++i) {
      const mri::CachedSlice c = mri::read_cached_slice(files[i]);
      const std::int64_t side = std::min<std::int64_t>({320, c.kspace.dim(1), c.kspace.dim(2)});
      out.push_back(mri::scan_slice(mri::cropped_kspace(c.kspace, side, side), mri::central_crop(c.maps, side, side)));
    }
    return out;
  };
  return std::make_unique<Measured>(cat(files.size(), " slices of the authors' cache"), read(0, first),
                                    read(first, std::min(files.size(), first + std::size_t(s.test_slices))), s);
}

}  // namespace

std::string place_of_scans(const Options& o) { return o.data.empty() ? fetched_folder() : o.data; }

std::unique_ptr<Scans> load_scans(const Options& o, const Sizes& s) {
  if (o.data.empty()) return fetched(o, s);
  const auto some = [&](auto&& list) {
    try {
      return list(o.data);
    } catch (const FileError&) {
      return std::vector<std::string>{};
    }
  };
  if (const auto files = some(mri::fastmri_files); !files.empty()) return from_fastmri(files, o, s);
  if (const auto files = some(mri::cached_slice_files); !files.empty()) return from_cache(files, o, s);
  return from_volumes(mri::volume_files(o.data), o, s);
}

}  // namespace smug
