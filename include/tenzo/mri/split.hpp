// What to train on and what to judge by, with nothing of the one in the other: slices of a volume are like their
// neighbours, slices of a subject like each other.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "tenzo/core/error.hpp"
#include "tenzo/core/permutation.hpp"
#include "tenzo/data/nifti.hpp"
#include "tenzo/data/samples.hpp"

namespace tenzo::mri {

/// Numbers of samples to train on and to judge by, in order.
struct TrainTest {
  Rows train, test;
};

/// A period of slices of a volume: so many to train on, a gap, so many to judge by, a gap.
struct Slabs {
  std::int64_t train = 11, gap = 2, test = 1;
  std::int64_t shift = 0;  // slices by which all slabs are moved, round and round: other slices are judged by

  std::int64_t period() const { return train + test + 2 * gap; }
};

/// The slices `z`, ascending, in slabs: without a shift the period begins at the first of them. It counts slices of the
/// volume, so that a hole among them moves nothing. Between a slice of one part and one of the other there are at least
/// `gap` others.
///   Throws  ValueError where one of the parts is empty, unless `z` is.
inline TrainTest slab_split(std::span<const std::int64_t> z, const Slabs& slabs = {}) {
  require(slabs.train >= 1 && slabs.test >= 1 && slabs.gap >= 0 && slabs.shift >= 0, "slab_split: slabs of ",
          slabs.train, " and ", slabs.test, " slices with gaps of ", slabs.gap, ", moved by ", slabs.shift);
  TrainTest out;
  for (std::size_t i = 0; i < z.size(); ++i) {
    require(i == 0 || z[i] > z[i - 1], "slab_split: slice ", z[i], " comes after one that is not below it");
    const std::int64_t at = (z[i] - z[0] + slabs.shift) % slabs.period();
    if (at < slabs.train) out.train.push_back(z[i]);
    else if (at >= slabs.train + slabs.gap && at < slabs.train + slabs.gap + slabs.test) out.test.push_back(z[i]);
  }
  require(z.empty() || !out.test.empty(), "slab_split: ", z.size(), " slices are too few: none is left to judge by");
  return out;
}

/// Splits samples by subject: all samples of a subject are in one part.
///   subjects  the subject of each sample
///   test      subjects to judge by, at least 1 and less than there are; which ones depends on the seed and the
///             subjects' names alone, not on the order or the number of their samples
inline TrainTest subject_split(std::span<const std::string> subjects, std::int64_t test, std::uint64_t seed) {
  std::vector<std::string> names(subjects.begin(), subjects.end());
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  const auto n = std::int64_t(names.size());
  require(test >= 1 && test < n, "subject_split: ", test, " of ", n,
          " subjects to judge by; want at least one in each part");
  const Rows order = permutation(n, NoiseKey{.seed = seed, .step = 0, .query = 11}.of(Purpose::data_order));
  std::vector<bool> judged(names.size(), false);
  for (std::int64_t i = 0; i < test; ++i) judged[std::size_t(order[std::size_t(i)])] = true;
  TrainTest out;
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    const auto at = std::lower_bound(names.begin(), names.end(), subjects[i]) - names.begin();
    (judged[std::size_t(at)] ? out.test : out.train).push_back(std::int64_t(i));
  }
  return out;
}

/// Whose volume a file is. In BIDS's names the part "sub-…" says it, of the file or the nearest folder; else it is the
/// file's name without its endings.
inline std::string subject_of(const std::string& path) {
  const std::filesystem::path file(path);
  std::vector<std::string> parts;
  for (const auto& part : file) parts.push_back(part.string());
  for (auto part = parts.rbegin(); part != parts.rend(); ++part)
    if (part->starts_with("sub-")) return part->substr(0, part->find_first_of("_."));
  const std::string name = file.filename().string();
  return name.substr(0, name.find('.', 1));
}

/// The scans of a folder and the folders in it by kind, sorted by their paths' bytes.
struct ScanFiles {
  std::vector<std::string> volumes;        // NIfTI: read_nifti
  std::vector<std::string> fastmri;        // .h5: FastMriFile
  std::vector<std::string> cached_slices;  // .npz: read_cached_slice
};

/// Links are not followed into folders.   Throws  FileError where the folder can not be read or holds none.
inline ScanFiles scan_files(const std::string& folder) {
  namespace fs = std::filesystem;
  ScanFiles found;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (!it->is_regular_file(ignored)) continue;
    const std::string name = it->path().filename().string();
    if (is_nifti_name(name)) found.volumes.push_back(it->path().string());
    else if (name.ends_with(".h5")) found.fastmri.push_back(it->path().string());
    else if (name.ends_with(".npz")) found.cached_slices.push_back(it->path().string());
  }
  if (error) throw FileError(folder, -1, cat("can not be read as a folder (", error.message(), ')'));
  if (found.volumes.empty() && found.fastmri.empty() && found.cached_slices.empty())
    throw FileError(folder, -1,
                    "holds no scans: no volumes (.nii, .nii.gz, .hdr), files of fastMRI (.h5) or slices (.npz)");
  for (auto* files : {&found.volumes, &found.fastmri, &found.cached_slices}) std::sort(files->begin(), files->end());
  return found;
}

}  // namespace tenzo::mri
