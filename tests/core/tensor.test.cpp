// Tensors: handles and their memory, views, other people's memory, Eigen's views, what wrong uses say.
#include "tenzo/core/tensor.hpp"

#include <doctest/doctest.h>

#include <complex>
#include <memory>
#include <numeric>

using namespace tenzo;

namespace {

Tensor<float> counting(const Shape& shape) {
  Tensor<float> t(shape);
  std::iota(t.data(), t.data() + t.size(), 0.f);
  return t;
}

}  // namespace

TEST_CASE_TEMPLATE("tensor: made of every element type", T, float, double, half, bfloat16, std::int8_t, std::int64_t,
                   std::uint8_t, bool, std::complex<float>, std::complex<double>) {
  const Tensor<T> t = Tensor<T>::ones({2, 3});
  CHECK(t.defined());
  CHECK(t.rank() == 2);
  CHECK(t.size() == 6);
  CHECK(t.dim(-1) == 3);
  CHECK(reinterpret_cast<std::uintptr_t>(t.data()) % 64 == 0);
  for (const T x : t.values()) CHECK(x == T(1));
  for (const T x : Tensor<T>::zeros({4}).values()) CHECK(x == T(0));
}

TEST_CASE("tensor: undefined, empty and scalar") {
  const Tensor<float> none;
  CHECK_FALSE(none.defined());
  CHECK(none.size() == 0);
  CHECK_FALSE(none.clone().defined());
  CHECK_FALSE(none.cast<double>().defined());
  const Tensor<float> empty = Tensor<float>::zeros({0, 3});
  CHECK(empty.defined());
  CHECK(empty.size() == 0);
  CHECK(empty.clone().shape() == Shape{0, 3});
  const auto one = Tensor<double>::scalar(3.5);
  CHECK(one.rank() == 0);
  CHECK(one.item() == 3.5);
  CHECK(Tensor<double>::full({1, 1}, 2).item() == 2);
  CHECK_THROWS_WITH_AS(Tensor<float>::zeros({2}).item(), "item: a tensor of shape (2) is not a single number",
                       ShapeError);
}

TEST_CASE("tensor: sizes beyond all memory are refused, and leave nothing behind") {
  const std::size_t before = Pool::instance().statistics().in_use;
  CHECK_THROWS_WITH_AS(Tensor<double>(Shape{std::int64_t(1) << 61}),
                       "tensor: shape (2305843009213693952) has more bytes than there is memory", ShapeError);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they end the program instead of throwing
  CHECK_THROWS_AS(Tensor<double>(Shape{std::int64_t(1) << 58}), std::bad_alloc);
#endif
  CHECK(Pool::instance().statistics().in_use == before);
}

TEST_CASE("tensor: copies share their elements, clones do not") {
  Tensor<float> a = counting({2, 3});
  CHECK(a.unique());
  Tensor<float> b = a;
  CHECK_FALSE(a.unique());
  b(0, 1) = 9;
  CHECK(a(0, 1) == 9);
  Tensor<float> c = a.clone();
  c(0, 1) = 1;
  CHECK(a(0, 1) == 9);
  b = Tensor<float>();
  CHECK(a.unique());
  Tensor<float> moved = std::move(a);
  CHECK(moved.unique());
  CHECK(moved(1, 2) == 5);
}

TEST_CASE("tensor: other shapes and rows share the elements") {
  Tensor<float> a = counting({4, 3});
  Tensor<float> flat = a.reshaped({12});
  flat(7) = 70;
  CHECK(a(2, 1) == 70);
  Tensor<float> middle = a.rows(1, 3);
  CHECK(middle.shape() == Shape{2, 3});
  CHECK(middle.size() == 6);
  middle(0, 0) = -1;
  CHECK(a(1, 0) == -1);
  CHECK(a.rows(4, 4).size() == 0);
  a = Tensor<float>();
  CHECK(middle(1, 1) == 70);  // the view keeps the memory
  CHECK(middle.clone().values().size() == 6);
  CHECK_THROWS_WITH_AS(flat.reshaped({5}), "reshape: (12) has other elements than (5)", ShapeError);
  CHECK_THROWS_WITH_AS(flat.rows(3, 13), "rows: [3, 13) of (12)", ShapeError);
  CHECK_THROWS_AS(Tensor<float>::scalar(1).rows(0, 0), ShapeError);
}

TEST_CASE("tensor: other types are converted by value") {
  const auto t = Tensor<float>::from({3}, {1.5f, -2.f, 0.1f});
  CHECK(t.cast<double>()(2) == double(0.1f));
  CHECK(t.cast<int>()(0) == 1);
  CHECK(float(t.cast<bfloat16>()(1)) == -2.f);
  CHECK(t.cast<bool>()(0));
  CHECK_THROWS_WITH_AS(Tensor<float>::from({2, 2}, {1.f}), "tensor: 1 values for shape (2, 2)", ShapeError);
}

TEST_CASE("tensor: borrowed memory is not copied, and its owner lives as long as a handle") {
  std::vector<double> mine{1, 2, 3, 4};
  Tensor<double> t = Tensor<double>::borrow(mine.data(), {2, 2});
  t(1, 0) = 30;
  CHECK(mine[2] == 30);
  CHECK_FALSE(t.unique());
  auto owner = std::make_shared<std::vector<double>>(6, 1.0);
  const std::weak_ptr<std::vector<double>> watch = owner;
  Tensor<double> kept = Tensor<double>::borrow(owner->data(), {3, 2}, owner).rows(1, 2);
  owner.reset();
  CHECK_FALSE(watch.expired());
  CHECK(kept(0, 1) == 1);
  kept = Tensor<double>();
  CHECK(watch.expired());
}

TEST_CASE("tensor: Eigen's matrices in and out without a copy") {
  Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> m(2, 3);
  m << 1, 2, 3, 4, 5, 6;
  Tensor<float> t = Tensor<float>::borrow(m);
  CHECK(t.shape() == Shape{2, 3});
  CHECK(t.data() == m.data());
  t(1, 2) = 60;
  CHECK(m(1, 2) == 60);
  Eigen::VectorXd v = Eigen::VectorXd::LinSpaced(4, 0, 3);
  CHECK(Tensor<double>::borrow(v).shape() == Shape{4});

  Tensor<float> cube = counting({2, 3, 4});
  CHECK(cube.matrix().rows() == 6);
  CHECK(cube.matrix().cols() == 4);
  CHECK(cube.matrix()(5, 3) == 23);
  cube.matrix() *= 2;
  CHECK(cube.vector()(23) == 46);
  CHECK(std::as_const(cube).matrix().sum() == 552);
  CHECK(Tensor<float>::scalar(2).matrix()(0, 0) == 2);
  CHECK(counting({5}).matrix().rows() == 1);
}
