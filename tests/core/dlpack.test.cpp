// DLPack: what goes out and comes back is the same memory; strided arrays are copied; owners are told once.
#include "tenzo/core/dlpack.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace tenzo;
using namespace tenzo::dlpack;

namespace {

/// An array of another library, which counts how often it is given back.
struct Foreign {
  std::vector<float> elements;
  std::vector<std::int64_t> shape, strides;
  int released = 0;
  ManagedTensor managed;

  explicit Foreign(std::vector<std::int64_t> extents, std::vector<std::int64_t> steps = {}, std::int64_t first = 0)
      : elements(100), shape(std::move(extents)), strides(std::move(steps)) {
    for (std::size_t i = 0; i < 100; ++i) elements[i] = float(i);
    managed.view = {elements.data(),         {},           std::int32_t(shape.size()),
                    data_type<float>(),      shape.data(), strides.empty() ? nullptr : strides.data(),
                    std::uint64_t(first) * 4};
    managed.manager = this;
    managed.deleter = [](ManagedTensor* m) { ++static_cast<Foreign*>(m->manager)->released; };
  }
};

std::vector<float> values(const Tensor<float>& t) { return {t.values().begin(), t.values().end()}; }

}  // namespace

TEST_CASE_TEMPLATE("dlpack: out and in again is the same memory, for every type", T, float, double, half, bfloat16,
                   bool, std::int8_t, std::int16_t, std::int32_t, std::int64_t, std::uint8_t, std::uint16_t,
                   std::uint32_t, std::uint64_t, std::complex<float>, std::complex<double>) {
  Tensor<T> t = Tensor<T>::ones({2, 3});
  ManagedTensor* m = export_tensor(t);
  CHECK(m->view.data == t.data());
  CHECK(m->view.ndim == 2);
  CHECK(m->view.shape[1] == 3);
  CHECK(m->view.strides[0] == 3);
  CHECK(m->view.byte_offset == 0);
  CHECK(m->view.device.type == 1);
  CHECK(m->view.dtype.bits == 8 * sizeof(T));
  Tensor<T> back = import_tensor<T>(m);
  CHECK(back.data() == t.data());
  CHECK(back.shape() == t.shape());
  t = Tensor<T>();
  CHECK(back(1, 2) == T(1));  // the memory lives as long as one of them
}

TEST_CASE("dlpack: types have the interface's codes") {
  CHECK(data_type<std::int32_t>() == DataType{0, 32, 1});
  CHECK(data_type<std::uint8_t>() == DataType{1, 8, 1});
  CHECK(data_type<half>() == DataType{2, 16, 1});
  CHECK(data_type<double>() == DataType{2, 64, 1});
  CHECK(data_type<bfloat16>() == DataType{4, 16, 1});
  CHECK(data_type<std::complex<float>>() == DataType{5, 64, 1});
  CHECK(data_type<bool>() == DataType{6, 8, 1});
}

TEST_CASE("dlpack: an exported tensor lives until its deleter is called, views and scalars too") {
  Tensor<float> t = Tensor<float>::full({4, 2}, 3);
  ManagedTensor* m = export_tensor(t.rows(1, 3));
  t = Tensor<float>();
  CHECK(static_cast<const float*>(m->view.data)[3] == 3);
  m->deleter(m);
  ManagedTensor* one = export_tensor(Tensor<double>::scalar(5));
  CHECK(one->view.ndim == 0);
  CHECK(import_tensor<double>(one).item() == 5);
  CHECK_THROWS_WITH_AS(export_tensor(Tensor<float>()), "dlpack: an undefined tensor", ShapeError);
}

TEST_CASE("dlpack: contiguous arrays are shared and given back with the last handle") {
  for (const auto& strides : {std::vector<std::int64_t>{}, {6, 3, 1}, {77, 3, 1}}) {  // an axis of one has any stride
    Foreign f({1, 2, 3}, strides, 4);
    Tensor<float> t = import_tensor<float>(&f.managed);
    CHECK(t.data() == f.elements.data() + 4);
    CHECK(values(t) == std::vector<float>{4, 5, 6, 7, 8, 9});
    Tensor<float> row = t.rows(0, 1);
    t = Tensor<float>();
    CHECK(f.released == 0);
    row = Tensor<float>();
    CHECK(f.released == 1);
  }
}

TEST_CASE("dlpack: strided arrays are copied, and given back at once") {
  Foreign transposed({3, 2}, {1, 3});
  CHECK(values(import_tensor<float>(&transposed.managed)) == std::vector<float>{0, 3, 1, 4, 2, 5});
  CHECK(transposed.released == 1);
  Foreign backwards({3}, {-2}, 10);
  CHECK(values(import_tensor<float>(&backwards.managed)) == std::vector<float>{10, 8, 6});
  Foreign repeated({2, 2}, {0, 1}, 7);
  CHECK(values(import_tensor<float>(&repeated.managed)) == std::vector<float>{7, 8, 7, 8});
  Foreign crooked({2});
  crooked.managed.view.byte_offset = 2;  // not aligned for a float
  crooked.elements[0] = crooked.elements[1] = 0;
  CHECK(import_tensor<float>(&crooked.managed).size() == 2);
  CHECK(crooked.released == 1);
}

TEST_CASE("dlpack: empty arrays need no memory") {
  Foreign f({0, 3});
  f.managed.view.data = nullptr;
  const Tensor<float> t = import_tensor<float>(&f.managed);
  CHECK(t.shape() == Shape{0, 3});
  CHECK(f.released == 1);
  Foreign kept({2});
  kept.managed.deleter = nullptr;  // an array that nobody waits for
  CHECK(import_tensor<float>(&kept.managed)(1) == 1);
}

TEST_CASE("dlpack: what can not be taken stays the caller's, with a sentence") {
  Foreign f({2, 3});
  CHECK_THROWS_WITH_AS(import_tensor<double>(&f.managed),
                       "dlpack: elements of code 2, 32 bits and 1 lanes; want f64: code 2, 64 bits, 1 lane",
                       ValueError);
  Foreign device({2});
  device.managed.view.device.type = 2;
  CHECK_THROWS_WITH_AS(import_tensor<float>(&device.managed),
                       "dlpack: the elements lie on a device of type 2; want 1, the host", ValueError);
  Foreign deep({1, 1, 1, 1, 1, 1, 1, 1, 1});
  CHECK_THROWS_WITH_AS(import_tensor<float>(&deep.managed), "dlpack: 9 axes; at most 8", ShapeError);
  Foreign negative({2, -1});
  CHECK_THROWS_AS(import_tensor<float>(&negative.managed), ShapeError);
  Foreign missing({2});
  missing.managed.view.data = nullptr;
  CHECK_THROWS_WITH_AS(import_tensor<float>(&missing.managed), "dlpack: no elements for shape (2)", ValueError);
  Foreign shapeless({2});
  shapeless.managed.view.shape = nullptr;
  CHECK_THROWS_AS(import_tensor<float>(&shapeless.managed), ShapeError);
  CHECK_THROWS_AS(import_tensor<float>(nullptr), ValueError);
  for (const Foreign* x : {&f, &device, &deep, &negative, &missing, &shapeless}) CHECK(x->released == 0);
}
