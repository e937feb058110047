// fastMRI's files, the header in them, and the authors' slices in .npz. Golden files: h5py 3 and NumPy 2, which are
// also the seeds of the fuzz targets.
#include "tenzo/mri/fastmri.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "../io/files.hpp"
#include "tenzo/mri/slice_cache.hpp"

using namespace tenzo;
using namespace tenzo::mri;

namespace {

const std::string corpus = std::string(TENZO_SOURCE_DIR) + "/tests/fuzz/corpus/";

/// The header of a scan of 6 columns, of which those from 0 to 3 were measured.
std::string xml(const std::string& centre = "2", const std::string& most = "3") {
  return "<?xml version=\"1.0\"?>\n<ismrmrdHeader><encodings/><encoding a=\"1\"><encodedSpace><matrixSize><x> 4 </x>"
         "<y>6</y></matrixSize></encodedSpace><reconSpace>\n<matrixSize><x>3</x><y>5</y></matrixSize></reconSpace>"
         "<encodingLimits><kspace_encoding_step_1><maximum>" +
         most + "</maximum><center>" + centre + "</center></kspace_encoding_step_1></encodingLimits></encoding>";
}

}  // namespace

TEST_CASE("ismrmrd_header: sizes and measured columns") {
  const IsmrmrdHeader h = parse_ismrmrd_header(xml(), "f");
  CHECK(h.encoded_x == 4);
  CHECK(h.encoded_y == 6);
  CHECK(h.recon_x == 3);
  CHECK(h.recon_y == 5);
  CHECK(h.columns_begin == 1);
  CHECK(h.columns_end == 5);
  const auto says = [](const std::string& text) { return refusal([&] { parse_ismrmrd_header(text, "f"); }); };
  CHECK(says("") == "f: ismrmrd_header has no whole element <encoding>");
  CHECK(says("<encoding>") == "f: ismrmrd_header has no whole element <encoding>");
  CHECK(says("<encoding") == "f: ismrmrd_header has no whole element <encoding>");
  CHECK(says("<encoding></encoding>") == "f: ismrmrd_header has no whole element <encodedSpace>");
  CHECK(says(xml("1.5")) == "f: ismrmrd_header: <center> is '1.5'; want 0 to 65535");
  CHECK(says(xml("")) == "f: ismrmrd_header: <center> is ''; want 0 to 65535");
  CHECK(says(xml("-1")) == "f: ismrmrd_header: <center> is '-1'; want 0 to 65535");
  CHECK(says(xml("99999")) == "f: ismrmrd_header: <center> is '99999'; want 0 to 65535");
  CHECK(says(xml("4")) == "f: ismrmrd_header: columns -1 to 3 of 6");
  CHECK(says(xml("2", "5")) == "f: ismrmrd_header: columns 1 to 7 of 6");
  CHECK(parse_ismrmrd_header(xml("2", "4"), "f").columns_end == 6);
}

TEST_CASE("slice_cache: 16-bit numbers over 32767") {
  const CachedSlice s = read_cached_slice(corpus + "data_zip/deflated.npz");
  CHECK(s.kspace.shape() == Shape{1, 2, 3, 2});
  for (std::int64_t i = 0; i < 6; ++i) {
    CHECK(s.kspace(2 * i) == float(i - 3) / 32767);
    CHECK(s.kspace(2 * i + 1) == float(3 - i) / 32767);
    CHECK(s.maps(2 * i) == float(1000 * (i - 3)) / 32767);
    CHECK(s.maps(2 * i + 1) == 0);
  }
  CHECK(refusal([] { read_cached_slice(corpus + "data_zip/stored.npz"); }).ends_with("holds no array 'k_r'"));
  CHECK(NpzFile::open(corpus + "data_zip/stored.npz").as<float>("m")(0) == 1);
}

TEST_CASE("slice_cache: masks") {
  const std::vector<std::byte> values = {std::byte(1), std::byte(0), std::byte(1),
                                         std::byte(1), std::byte(0), std::byte(1)};
  const auto lines = [&](const Shape& shape, std::int64_t columns = 0) {
    const NpyArray a{shape, "b1", std::span(values).first(std::size_t(shape.numel()))};
    const auto m = sampled_lines(a, "f", columns);
    return std::vector<float>(m.values().begin(), m.values().end());
  };
  CHECK(lines({2, 3}) == std::vector<float>{1, 0, 1});
  CHECK(lines({3}, 7) == std::vector<float>{0, 0, 1, 0, 1, 0, 0});
  const auto says = [&](const Shape& shape, std::int64_t columns = 0) {
    return refusal([&] { lines(shape, columns); });
  };
  CHECK(says({3, 2}) == "f: the mask differs between rows 0 and 1; want lines along the readout");
  CHECK(says({3}, 4) == "f: the mask has 3 columns, k-space 4");
  CHECK(says({3}, 1) == "f: the mask has 3 columns, k-space 1");
  CHECK(says({1, 2, 3}) == "f: the mask is (1, 2, 3); want (rows, columns) or (columns)");
  CHECK(says({0, 3}) == "f: the mask is (0, 3); want (rows, columns) or (columns)");
  const NpyArray bytes{Shape{2}, "i1", std::as_bytes(std::span("\1\2", 2))};
  CHECK(refusal([&] { sampled_lines(bytes, "f"); }) == "f: the mask holds 2; want 0 and 1");
}

#ifdef TENZO_HDF5

namespace {

using Handle = mri::detail::Hdf5Handle;

/// What is put into a file, before something of it is made wrong.
struct Content {
  std::vector<hsize_t> kspace = {2, 3, 4, 5}, target = {2, 3, 3};
  const char *kspace_name = "kspace", *target_name = "reconstruction_rss", *first = "r", *second = "i";
  const char* header_name = "ismrmrd_header";
  std::string header = xml();
  bool acquisition = true, chunked = false, packed = false, allocated = true, external = false;
  float bad = 1;  // the value of the last number of k-space
  std::vector<float> mask;
  std::function<void(hid_t)> more = [](hid_t) {};
};

Handle space_of(const std::vector<hsize_t>& sizes) {
  return {::H5Screate_simple(int(sizes.size()), sizes.data(), nullptr), ::H5Sclose};
}

void write(const std::string& path, const Content& c) {
  const Handle file(::H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), ::H5Fclose);
  const Handle complex(::H5Tcreate(H5T_COMPOUND, 8), ::H5Tclose), how(::H5Pcreate(H5P_DATASET_CREATE), ::H5Pclose);
  ::H5Tinsert(complex, c.first, 0, H5T_NATIVE_FLOAT);
  ::H5Tinsert(complex, c.second, 4, H5T_NATIVE_FLOAT);
  std::vector<hsize_t> chunk = c.kspace;
  chunk[0] = 1;
  for (hsize_t& n : chunk) n = std::min<hsize_t>(n, 64);
  if (c.chunked) ::H5Pset_chunk(how, int(chunk.size()), chunk.data());
  if (c.packed) ::H5Pset_deflate(how, 6);
  if (c.external) ::H5Pset_external(how, "numbers.raw", 0, H5F_UNLIMITED);
  const Handle space = space_of(c.kspace);
  const Handle set(::H5Dcreate2(file, c.kspace_name, complex, space, H5P_DEFAULT, how, H5P_DEFAULT), ::H5Dclose);
  if (c.allocated && !c.external) {
    std::vector<float> values(std::size_t(2 * ::H5Sget_simple_extent_npoints(space)));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = float(i);
    if (!values.empty()) values.back() = c.bad;
    ::H5Dwrite(set, complex, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
  }
  const auto put = [&](const char* name, const std::vector<hsize_t>& sizes) {
    const Handle s = space_of(sizes);
    const Handle d(::H5Dcreate2(file, name, H5T_NATIVE_FLOAT, s, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), ::H5Dclose);
    std::vector<float> values(std::size_t(::H5Sget_simple_extent_npoints(s)));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = float(i) / 2;
    if (std::string(name) == "mask") values = c.mask;
    ::H5Dwrite(d, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
  };
  if (*c.target_name) put(c.target_name, c.target);
  if (!c.mask.empty()) put("mask", {c.mask.size()});
  const Handle text(::H5Tcopy(H5T_C_S1), ::H5Tclose), one(::H5Screate(H5S_SCALAR), ::H5Sclose);
  ::H5Tset_size(text, c.header.size());
  const Handle h(::H5Dcreate2(file, c.header_name, text, one, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), ::H5Dclose);
  ::H5Dwrite(h, text, H5S_ALL, H5S_ALL, H5P_DEFAULT, c.header.data());
  if (c.acquisition) {
    ::H5Tset_size(text, 5);
    const Handle a(::H5Acreate2(file, "acquisition", text, one, H5P_DEFAULT, H5P_DEFAULT), ::H5Aclose);
    ::H5Awrite(a, text, "AXT2\0");
  }
  c.more(file);
}

/// What the reader says of such a file, of its first slice, or of its last.
std::string says(const Content& c, std::int64_t slice = -1) {
  TestFolder folder;
  write(folder / "f.h5", c);
  std::string text = refusal([&] {
    const FastMriFile f = FastMriFile::open(folder / "f.h5");
    if (slice >= 0) f.kspace(slice), f.target(slice);
  });
  const std::size_t at = text.find("f.h5: ");
  return at == std::string::npos ? text : text.substr(at + 6);
}

}  // namespace

TEST_CASE("fastmri: a multi-coil file of h5py") {
  const FastMriFile f = FastMriFile::open(corpus + "mri_fastmri/multicoil.h5");
  const FastMriInfo& m = f.info();
  CHECK(m.slices == 2);
  CHECK(m.coils == 3);
  CHECK(m.rows == 4);
  CHECK(m.columns == 5);
  CHECK_FALSE(m.single_coil);
  CHECK(m.target == "reconstruction_rss");
  CHECK(m.target_rows == 3);
  CHECK(m.target_columns == 3);
  CHECK(m.acquisition == "CORPD_FBK");
  CHECK(m.patient == "abc");
  CHECK(m.max == 17);
  CHECK(m.norm == 40.5);
  CHECK(m.header.encoded_y == 6);
  CHECK(m.header.columns_begin == 1);
  CHECK(m.mask.empty());
  for (std::int64_t s = 0; s < 2; ++s) {
    const auto k = f.kspace(s);
    CHECK(k.shape() == Shape{3, 4, 5, 2});
    for (std::int64_t i = 0; i < 60; ++i) {
      CHECK(k(2 * i) == float(60 * s + i));
      CHECK(k(2 * i + 1) == -float(60 * s + i) / 2);
    }
    const auto t = f.target(s);
    CHECK(t.shape() == Shape{3, 3});
    for (std::int64_t i = 0; i < 9; ++i) CHECK(t(i) == float(9 * s + i));
  }
  CHECK_THROWS_WITH_AS(f.kspace(2), "fastMRI: slice 2 of 2", ValueError);
  CHECK_THROWS_AS(f.target(-1), ValueError);
}

TEST_CASE("fastmri: a single-coil file, and a chunked and packed one with a mask and no target") {
  const FastMriFile one = FastMriFile::open(corpus + "mri_fastmri/singlecoil.h5");
  CHECK(one.info().single_coil);
  CHECK(one.info().coils == 1);
  CHECK(one.info().target == "reconstruction_esc");
  CHECK(one.kspace(1).shape() == Shape{1, 4, 5, 2});
  CHECK(one.kspace(1)(0) == 20);
  const FastMriFile test = FastMriFile::open(corpus + "mri_fastmri/test-set.h5");
  CHECK(test.info().target.empty());
  CHECK(test.info().mask == std::vector<float>{0, 1, 1, 1, 0});
  CHECK(test.kspace(1)(1) == -30);
  CHECK(refusal([&] { test.target(0); }).ends_with("holds no reconstruction_rss or reconstruction_esc"));
}

TEST_CASE("fastmri: what is missing or wrong is one line") {
  const auto with = [](auto&& change) {
    Content c;
    change(c);
    return c;
  };
  CHECK(says({}, 1) == "nothing");
  CHECK(says(with([](Content& c) { c.mask = {1, 0, 1, 0, 1}; }), 0) == "nothing");
  CHECK(says(with([](Content& c) { c.chunked = c.packed = true; }), 1) == "nothing");
  CHECK(says(with([](Content& c) { c.kspace_name = "kspac"; })) == "holds no set kspace");
  CHECK(says(with([](Content& c) { c.header_name = "header"; })) == "holds no set ismrmrd_header");
  CHECK(says(with([](Content& c) { c.acquisition = false; })) == "has no attribute acquisition");
  CHECK(says(with([](Content& c) { c.header = "<encoding></encoding>"; })) ==
        "ismrmrd_header has no whole element <encodedSpace>");
  CHECK(says(with([](Content& c) { c.first = "x"; })) ==
        "kspace: want complex numbers, a compound of two real numbers r and i");
  CHECK(says(with([](Content& c) {
          c.kspace = {2, 3};
        })) == "kspace is (2, 3); want (slices, coils, rows, columns) or (slices, rows, columns)");
  CHECK(says(with([](Content& c) {
          c.kspace = {2, 0, 4, 5};
        })) == "kspace is (2, 0, 4, 5); want (slices, coils, rows, columns) or (slices, rows, columns)");
  CHECK(says(with([](Content& c) {
          c.target = {3, 3, 3};
        })) == "reconstruction_rss is (3, 3, 3); want real numbers (2, h, w)");
  CHECK(says(with([](Content& c) { c.mask = {1, 0, 1, 0}; })) == "mask is (4); want (5) of kspace");
  CHECK(says(with([](Content& c) { c.mask = {1, 0, 1, 0, 0.5}; })) == "mask holds 0.5; want 0 and 1");
  CHECK(says(with([](Content& c) { c.bad = NAN; }), 0) == "nothing");
  CHECK(says(with([](Content& c) { c.bad = NAN; }), 1) == "kspace: slice 1 holds nan; want finite numbers");
}

TEST_CASE("fastmri: what is claimed but not stored, or kept elsewhere, is refused before memory is taken") {
  Content c;
  c.chunked = true, c.allocated = false;
  c.kspace = {1 << 20, 16, 1 << 12, 1 << 12};
  CHECK(says(c) == "kspace claims 2251799813685248 bytes; the file stores 0");
  c.packed = true;
  CHECK(says(c) == "kspace claims 2251799813685248 bytes; the file stores 0");
  c.kspace = {hsize_t(1) << 36, 1 << 20, 4, 4};
  CHECK(says(c) == "kspace has more bytes than 62 bits count");
  c = {};
  c.external = true;
  CHECK(says(c) == "kspace is kept in other files");
  TestFolder folder;
  write(folder / "whole.h5", {});
  c = {};
  c.kspace_name = "other";
  c.more = [&](hid_t f) { ::H5Lcreate_external((folder / "whole.h5").c_str(), "/kspace", f, "kspace", 0, 0); };
  CHECK(says(c) == "kspace is a link; want a set");
}

TEST_CASE("fastmri: files that are none, and cut ones") {
  TestFolder folder;
  write(folder / "whole.h5", {});
  const std::string whole = read_file(folder / "whole.h5");
  const auto says_of = [&](const std::string& content) {
    put_file(folder / "f.h5", content);
    return refusal([&] {
      const FastMriFile f = FastMriFile::open(folder / "f.h5");
      f.kspace(0), f.kspace(1), f.target(0), f.target(1);
    });
  };
  CHECK(says_of(whole) == "nothing");
  CHECK(says_of("").find("is no HDF5 file that can be read: ") != std::string::npos);
  CHECK(says_of(std::string(5000, 'x')).find("is no HDF5 file that can be read: ") != std::string::npos);
  for (std::size_t n = 0; n < whole.size(); n += 97) {
    const std::string text = says_of(whole.substr(0, n));
    CHECK(text != "nothing");
    CHECK(text.find('\n') == std::string::npos);
  }
  CHECK(refusal([&] {
          FastMriFile::open(folder / "missing.h5");
        }).find("missing.h5: can not be opened (No such file") != std::string::npos);
  CHECK(refusal([&] { FastMriFile::open(folder / ""); }).ends_with("is a folder; want a file"));
}

#else

TEST_CASE("fastmri: without the library a sentence") {
  CHECK(refusal([] { FastMriFile::open("f"); }) ==
        "f: is to be read as HDF5; this program is built without the HDF5 library");
}

#endif
