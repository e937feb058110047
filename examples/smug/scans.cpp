#include "scans.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
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

/// Masks by number: 1 is that of training and judging, one for the whole run as in the paper.
F mask_of(std::int64_t width, double acceleration, mri::MaskKind kind, std::uint64_t number = 1) {
  return mri::line_mask<float>(width, {.kind = kind, .acceleration = acceleration, .seed = number});
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

/// Rows of images as a batch of them.
F batch_of(const F& images, const Rows& rows) {  // (n, W, W) -> (rows, W, W)
  F out(Shape{std::int64_t(rows.size()), images.dim(1), images.dim(2)});
  const std::int64_t size = images.shape().inner(0);
  for (std::size_t i = 0; i < rows.size(); ++i)
    std::copy_n(images.data() + rows[i] * size, size, out.data() + std::int64_t(i) * size);
  return out;
}

/// Which of all images to train on and to judge by, for a seed.
using SplitBySeed = std::function<mri::TrainTest(std::uint64_t)>;

/// Slices of magnitude images with simulated phases and coils.
class Volumes final : public Scans {
 public:
  Volumes(std::string name, F images, SplitBySeed split, F others, mri::MaskKind kind, const Sizes& s)
      : name_(std::move(name)),
        images_(std::move(images)),
        split_(std::move(split)),
        others_(std::move(others)),
        kind_(kind),
        sizes_(s),
        maps_(mri::simulated_maps<float>(s.coils, s.width, s.width)),
        solver_(solver_of(s.acceleration, 1)) {}

  std::string description(std::uint64_t seed) const override {
    const mri::TrainTest& t = split_of(seed);
    return cat(name_, ": ", t.train.size(), " slices to train on, ", judged_rows(t).size(), " to judge by, ",
               sizes_.width, " x ", sizes_.width, ", ", sizes_.coils, " simulated coils");
  }
  std::int64_t width() const override { return sizes_.width; }

  Acquisition training_image(std::uint64_t seed, std::int64_t step) const override {
    const Rows& rows = split_of(seed).train;
    const Integers draw(NoiseKey{.seed = seed, .step = std::uint32_t(step), .query = 12}.of(Purpose::data_order));
    const std::int64_t row = rows[std::size_t(draw.below(std::int64_t(rows.size()), 0))];
    const std::vector<std::int64_t> id{row};
    const F image = mri::with_phase(mri::augmented(images_.rows(row, row + 1), id, seed, step), id, seed, step);
    return measured(solver_, image, id, sizes_.noise, seed + std::uint64_t(step) * 1000003);
  }
  Acquisition judged(std::uint64_t seed, double acceleration, std::uint64_t mask) const override {
    const Rows rows = judged_rows(split_of(seed));
    return acquired(batch_of(images_, rows), judged_first, seed,
                    acceleration == sizes_.acceleration && mask == 1 ? solver_ : solver_of(acceleration, mask));
  }
  Acquisition others(std::uint64_t seed) const override {
    return others_.defined() ? acquired(others_, others_first, seed, solver_) : Acquisition{};
  }

 private:
  static constexpr std::int64_t judged_first = 1 << 20,
                                others_first = 1 << 21;  // beside the numbers of training images

  /// Training asks for the same split step after step.
  const mri::TrainTest& split_of(std::uint64_t seed) const {
    if (!last_split_ || last_split_->first != seed) last_split_.emplace(seed, split_(seed));
    return last_split_->second;
  }
  Rows judged_rows(const mri::TrainTest& t) const { return spread_over(t.test, sizes_.test_slices); }
  Solver solver_of(double acceleration, std::uint64_t mask) const {
    return Solver(mri::encoding(maps_, mask_of(sizes_.width, acceleration, kind_, mask)));
  }
  Acquisition acquired(const F& images, std::int64_t first, std::uint64_t seed, Solver solver) const {
    std::vector<std::int64_t> ids(std::size_t(images.dim(0)));
    std::iota(ids.begin(), ids.end(), first);
    return measured(std::move(solver), mri::with_phase(images, ids, seed, 0), ids, sizes_.noise, seed);
  }

  std::string name_;
  F images_;
  SplitBySeed split_;
  mutable std::optional<std::pair<std::uint64_t, mri::TrainTest>> last_split_;
  F others_;
  mri::MaskKind kind_;
  Sizes sizes_;
  F maps_;
  Solver solver_;
};

/// Scans with k-space and coil maps of their own, cut to the middle. Slices to train on are read when they are drawn:
/// a data set of them is larger than memory.
class Measured final : public Scans {
 public:
  using Reader = std::function<mri::ScanSlice(std::int64_t)>;

  Measured(std::string name, std::int64_t train, Reader read, std::vector<mri::ScanSlice> judged, mri::MaskKind kind,
           const Sizes& s)
      : name_(std::move(name)),
        train_(train),
        read_(std::move(read)),
        judged_(std::move(judged)),
        kind_(kind),
        sizes_(s) {}

  std::string description(std::uint64_t) const override {
    return cat(name_, ": ", train_, " slices to train on, ", judged_.size(), " to judge by, ", width(), " x ", width(),
               ", ", judged_.front().maps.dim(0), " coils");
  }
  std::int64_t width() const override { return judged_.front().image.dim(1); }

  Acquisition training_image(std::uint64_t seed, std::int64_t step) const override {
    const Integers draw(NoiseKey{.seed = seed, .step = std::uint32_t(step), .query = 12}.of(Purpose::data_order));
    const std::int64_t i = draw.below(train_, 0);
    return acquired({read_(i)}, i, sizes_.acceleration, 1);
  }
  Acquisition judged(std::uint64_t, double acceleration, std::uint64_t mask) const override {
    return acquired(judged_, 1 << 20, acceleration, mask);
  }
  Acquisition others(std::uint64_t) const override { return {}; }

 private:
  Acquisition acquired(const std::vector<mri::ScanSlice>& slices, std::int64_t first, double rate,
                       std::uint64_t mask) const {
    const Shape& one = slices.front().maps.shape();
    const auto n = std::int64_t(slices.size());
    F maps(one.inserted(0, n)), kspace(one.inserted(0, n)), truth(Shape{n, one[1], one[2], 2});
    Acquisition a;
    for (std::int64_t i = 0; i < n; ++i) {
      const mri::ScanSlice& s = slices[std::size_t(i)];
      std::copy_n(s.maps.data(), s.maps.size(), maps.data() + i * s.maps.size());
      std::copy_n(s.kspace.data(), s.kspace.size(), kspace.data() + i * s.kspace.size());
      std::copy_n(s.image.data(), s.image.size(), truth.data() + i * s.image.size());
      a.ids.push_back(first + i);
    }
    a.solver = Solver(mri::encoding(maps, mask_of(one[2], rate, kind_, mask)));
    a.truth = truth;
    a.kspace = mul(kspace, a.encoding().lines());
    return a;
  }

  std::string name_;
  std::int64_t train_;
  Reader read_;
  std::vector<mri::ScanSlice> judged_;
  mri::MaskKind kind_;
  Sizes sizes_;
};

/// Slices that can be judged together: those that are as large as the first and have as many coils, `most` of them.
template <class Read>
std::vector<mri::ScanSlice> alike(const Rows& rows, std::int64_t most, Read&& read) {
  std::vector<mri::ScanSlice> out;
  for (const std::int64_t r : spread_over(rows, 2 * most)) {
    if (std::int64_t(out.size()) == most) break;
    mri::ScanSlice s = read(r);
    if (out.empty() || s.maps.shape() == out.front().maps.shape()) out.push_back(std::move(s));
  }
  return out;
}

std::string fetched_folder() { return program_data::place_of("mri", ""); }

/// Slabs of a volume whose gaps are two millimetres or more; each seed moves them, so that it is judged by slices of
/// its own.
///   mm  from slice to slice
mri::Slabs slabs_of(double mm, std::uint64_t seed) {
  const auto n = std::max<std::int64_t>(1, std::lround(1 / mm));  // slices a millimetre
  mri::Slabs s{.train = 11 * n, .gap = 2 * n, .test = n};
  s.shift = std::int64_t(seed % 16) * 5 % 16 * n;  // 5 goes round all sixteen
  return s;
}

/// A volume's slices of tissue and how seeds split them.
std::pair<F, SplitBySeed> slices_in_slabs(const Volume& v, std::int64_t width) {
  const Rows z = mri::tissue_slices(v);
  const auto split = [z, mm = v.spacing[0]](std::uint64_t seed) {
    mri::TrainTest t = mri::slab_split(z, slabs_of(mm, seed));
    for (Rows* part : {&t.train, &t.test})
      for (std::int64_t& row : *part) row = std::lower_bound(z.begin(), z.end(), row) - z.begin();
    return t;
  };
  return {mri::axial_slices(v, z, width), split};
}

std::unique_ptr<Scans> fetched(const Options& o, const Sizes& s) {
  const std::string folder = fetched_folder(), name = o.full ? "ch2better" : "ch2";
  const Volume head = to_ras(read_nifti(cat(folder, "/", name, ".nii.gz")));
  const Volume macaque = to_ras(read_nifti(folder + "/inia19-t1-brain.nii.gz"));
  auto [images, split] = slices_in_slabs(head, s.width);
  const Rows far = mri::slab_split(mri::tissue_slices(macaque)).test;
  return std::make_unique<Volumes>(cat("T1 volume ", name, ", one human subject"), images, split,
                                   mri::axial_slices(macaque, far, s.width), o.mask, s);
}

/// Of several subjects whole ones are judged by, of one volume its slabs.
std::unique_ptr<Scans> from_volumes(const std::vector<std::string>& files, const Options& o, const Sizes& s) {
  std::vector<std::string> subjects, of_slice;
  for (const std::string& f : files) subjects.push_back(mri::subject_of(f));
  auto names = subjects;
  std::sort(names.begin(), names.end());
  const auto distinct = std::unique(names.begin(), names.end()) - names.begin();
  require(distinct > 1 || files.size() == 1, "--data ", o.data, " holds ", files.size(),
          " volumes of one subject, whose slices may show the same; want one volume or more subjects");
  std::vector<F> parts;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const Volume v = to_ras(read_nifti(files[i]));
    const Rows z = mri::tissue_slices(v);
    if (z.empty()) throw FileError(files[i], -1, "has no slice of tissue");
    if (files.size() == 1) {
      auto [images, split] = slices_in_slabs(v, s.width);
      for (std::uint64_t seed = 0; seed < 16; ++seed) split(seed);  // throws where a part is empty
      return std::make_unique<Volumes>("one volume", images, split, F{}, o.mask, s);
    }
    parts.push_back(mri::axial_slices(v, z, s.width));
    of_slice.insert(of_slice.end(), z.size(), subjects[i]);
  }
  const auto split = [of_slice, distinct](std::uint64_t seed) {
    return mri::subject_split(of_slice, std::max<std::int64_t>(1, distinct / 5), seed);
  };
  return std::make_unique<Volumes>(cat(files.size(), " volumes of ", distinct, " subjects by their files' names"),
                                   joined(parts), split, F{}, o.mask, s);
}

/// The middle of a scan's slices, with maps from its own calibration lines.
std::unique_ptr<Scans> from_fastmri(const std::vector<std::string>& files, const Options& o, const Sizes& s) {
  require(files.size() > 1, "--data ", o.data, " holds one scan; want one to train on and one to judge by");
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
  const auto read = [files, slices, acceleration = s.acceleration](std::int64_t row) {
    const auto& [file, z] = slices[std::size_t(row)];
    const F k = mri::FastMriFile::open(files[file]).kspace(z);
    const std::int64_t side = std::min<std::int64_t>({320, k.dim(1), k.dim(2)});
    const F cropped = mri::cropped_kspace(k, side, side);
    return mri::scan_slice(
        cropped, mri::low_resolution_maps(cropped, mri::line_mask<float>(side, {.acceleration = acceleration})));
  };
  return std::make_unique<Measured>(
      cat(files.size(), " scans of fastMRI, ", n, " patients"), std::int64_t(split.train.size()),
      [read, rows = split.train](std::int64_t i) { return read(rows[std::size_t(i)]); },
      alike(split.test, s.test_slices, read), o.mask, s);
}

/// Slices with the authors' own maps. Which patient one is of is not known: the last fifth of the files is judged by,
/// and between the two parts a twentieth is left out, in which a patient's slices may end.
std::unique_ptr<Scans> from_cache(const std::vector<std::string>& files, const Options& o, const Sizes& s) {
  require(files.size() > 4, "--data ", o.data, " holds ", files.size(), " slices; want five or more");
  const auto n = std::int64_t(files.size()), test = std::max<std::int64_t>(1, n / 5),
             gap = std::max<std::int64_t>(1, n / 20);
  const auto read = [files](std::int64_t i) {
    const mri::CachedSlice c = mri::read_cached_slice(files[std::size_t(i)]);
    const std::int64_t side = std::min<std::int64_t>({320, c.kspace.dim(1), c.kspace.dim(2)});
    return mri::scan_slice(mri::cropped_kspace(c.kspace, side, side), mri::central_crop(c.maps, side, side));
  };
  Rows judged(static_cast<std::size_t>(test));
  std::iota(judged.begin(), judged.end(), n - test);
  return std::make_unique<Measured>(cat(n, " slices of the authors' cache, ", gap, " left out between the parts"),
                                    n - test - gap, read, alike(judged, s.test_slices, read), o.mask, s);
}

}  // namespace

std::string place_of_scans(const Options& o) { return o.data.empty() ? fetched_folder() : o.data; }

std::unique_ptr<Scans> load_scans(const Options& o, const Sizes& s) {
  if (o.data.empty()) return fetched(o, s);
  const mri::ScanFiles files = mri::scan_files(o.data);
  if (!files.fastmri.empty()) return from_fastmri(files.fastmri, o, s);
  if (!files.cached_slices.empty()) return from_cache(files.cached_slices, o, s);
  return from_volumes(files.volumes, o, s);
}

}  // namespace smug
