// Masks in files: bits, round trips, and files that are no masks.
#include "tenzo/prune/mask_file.hpp"

#include <doctest/doctest.h>

#include "../io/files.hpp"
#include "net.hpp"
#include "tenzo/prune/scores.hpp"
#include "tenzo/prune/select.hpp"

using namespace tenzo;
using namespace tenzo::prune;
using namespace tenzo::test;

namespace {
using U = Tensor<std::uint8_t>;
using Tensors = std::vector<Tensor<float>>;
}  // namespace

TEST_CASE("mask files: what is saved is loaded, to the bit, and the same bytes again") {
  const TestFolder folder;
  const auto net = conv_net<float>(1, 5);
  for (const double density : {0., 0.3, 1.}) {
    const auto mask = largest(magnitude_scores(net), {.density = density});
    save_mask(folder / "mask", mask, {{"method", "omp"}});
    const auto got = load_mask(folder / "mask", net);
    CHECK(jaccard(mask, got) == 1);
    CHECK(prune::density(got).kept == prune::density(mask).kept);
    CHECK_FALSE(got.conv1.bias.defined());
    CHECK_FALSE(got.bn1.weight.defined());
    save_mask(folder / "again", got, {{"method", "omp"}});
    CHECK(read_file(folder / "again") == read_file(folder / "mask"));
    CHECK(SafetensorsFile::open(folder / "mask").metadata().at("method") == "omp");
  }
}

TEST_CASE("mask files: weight i is bit i % 8 of byte i / 8; odd sizes, empty leaves, none") {
  const TestFolder folder;
  const Tensors model{Tensor<float>::ones({2, 5}), Tensor<float>::ones({3}), Tensor<float>(Shape{0, 4})};
  const Mask<Tensors> mask{U::from({2, 5}, {1, 0, 0, 0, 0, 0, 0, 1, 0, 1}), U{}, U(Shape{0, 4})};
  save_mask(folder / "mask", mask);
  const auto file = SafetensorsFile::open(folder / "mask");
  const auto bytes = file.tensor("0").bytes();
  REQUIRE(bytes.size() == 2);
  CHECK(int(bytes[0]) == 129);
  CHECK(int(bytes[1]) == 2);
  CHECK(file.metadata().at("shape.0") == "2,5");
  const auto got = load_mask(folder / "mask", model);
  for (std::int64_t i = 0; i < 10; ++i) CHECK(got[0](i) == mask[0](i));
  CHECK_FALSE(got[1].defined());
  CHECK(got[2].shape() == Shape{0, 4});
  save_mask(folder / "none", Mask<Tensors>{});
  CHECK_FALSE(load_mask(folder / "none", model)[0].defined());
}

TEST_CASE("mask files: another model, another file, damaged bits") {
  const TestFolder folder;
  const Tensors model{Tensor<float>::ones({2, 5})};
  save_mask(folder / "mask", dense_mask(model));
  const auto fails = [&](const Tensors& m, const std::string& name) {
    try {
      load_mask(folder / name, m);
    } catch (const FileError& e) {
      return e.reason;
    }
    return std::string("nothing");
  };
  CHECK(fails({Tensor<float>::ones({5, 2})}, "mask") ==
        "the mask of '0' is of shape (2,5) and has 2 bytes; the model's is (5, 2)");
  CHECK(fails({}, "mask") == "has a mask of '0', which the model lacks");
  CHECK(fails(model, "missing") != "nothing");
  write_safetensors(folder / "other", {}, {{"0", DType::u8, Shape{2}}},
                    [](std::size_t) { return StoredTensor::from(U::zeros({2})); });
  CHECK(fails(model, "other") == "is no mask: the format is ''");
  write_safetensors(folder / "damaged", {{"format", "tenzo.mask.1"}, {"shape.0", "2,5"}}, {{"0", DType::u8, Shape{2}}},
                    [](std::size_t) {
                      return StoredTensor::from(U::from({2}, {0, 4}));
                    });
  CHECK(fails(model, "damaged") == "the mask of '0' has bits behind its last weight");
  write_safetensors(folder / "short", {{"format", "tenzo.mask.1"}, {"shape.0", "2,5"}}, {{"0", DType::u8, Shape{1}}},
                    [](std::size_t) { return StoredTensor::from(U::zeros({1})); });
  CHECK(fails(model, "short") == "the mask of '0' is of shape (2,5) and has 1 bytes; the model's is (2, 5)");
}
