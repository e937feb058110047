// Greedy episodes as pictures.
#include <algorithm>
#include <array>
#include <cmath>
#include <span>

#include "canvas.hpp"
#include "study.hpp"
#include "tenzo/io/apng.hpp"
#include "tenzo/rl/batched.hpp"
#include "tenzo/rl/conv_q_network.hpp"
#include "tenzo/rl/environments/acrobot.hpp"
#include "tenzo/rl/environments/breakout.hpp"
#include "tenzo/rl/environments/cart_pole.hpp"
#include "tenzo/rl/environments/cliff.hpp"
#include "tenzo/rl/environments/deep_sea.hpp"
#include "tenzo/rl/environments/mountain_car.hpp"
#include "tenzo/rl/q_file.hpp"
#include "tenzo/rl/td.hpp"

namespace dqn {

using namespace tenzo;
using namespace tenzo::rl;

namespace {

constexpr Colour ground{250, 250, 248}, ink{52, 56, 66}, wood{201, 122, 58}, blue{64, 108, 176}, red{196, 60, 56},
    pale{222, 224, 228}, green{74, 146, 98};

Canvas drawn(const CartPole<float>&, const CartPole<float>::State& s) {
  Canvas c(240, 120, ground);
  const double x = 120 + 45 * double(s[0]), y = 88;
  c.line(0, y + 8, 240, y + 8, 0.7, ink);
  c.box(x - 17, y - 7, x + 17, y + 7, ink);
  c.line(x, y - 5, x + 62 * std::sin(double(s[2])), y - 5 - 62 * std::cos(double(s[2])), 3.2, wood);
  c.line(x, y - 5, x, y - 5, 2.6, blue);
  return c;
}

Canvas drawn(const MountainCar<float>&, const MountainCar<float>::State& s) {
  Canvas c(240, 120, ground);
  const auto at = [](double p) { return std::array{(p + 1.2) / 1.8 * 232 + 4, 92 - 34 * std::sin(3 * p)}; };
  for (double p = -1.2; p < 0.6; p += 0.02) {
    const auto a = at(p), b = at(p + 0.02);
    c.line(a[0], a[1], b[0], b[1], 0.9, ink);
  }
  const auto goal = at(0.5), car = at(double(s[0]));
  c.line(goal[0], goal[1], goal[0], goal[1] - 22, 0.8, ink);
  c.box(goal[0], goal[1] - 22, goal[0] + 11, goal[1] - 15, red);
  c.line(car[0], car[1] - 6, car[0], car[1] - 6, 5.5, blue);
  return c;
}

Canvas drawn(const Acrobot<float>&, const Acrobot<float>::State& s) {
  Canvas c(150, 150, ground);
  const double l = 33, a = double(s[0]), b = double(s[0]) + double(s[1]);
  const double x1 = 75 + l * std::sin(a), y1 = 75 + l * std::cos(a);
  c.line(0, 75 - l, 150, 75 - l, 0.6, pale);
  c.line(75, 75, x1, y1, 3.5, blue);
  c.line(x1, y1, x1 + l * std::sin(b), y1 + l * std::cos(b), 3.5, wood);
  c.line(75, 75, 75, 75, 3, ink), c.line(x1, y1, x1, y1, 3, ink);
  return c;
}

/// Cells of a grid, 14 pixels each.
template <class F>
Canvas cells(int rows, int columns, F&& colour) {
  constexpr int edge = 14;
  Canvas c(columns * edge + 2, rows * edge + 2, pale);
  for (int r = 0; r < rows; ++r)
    for (int k = 0; k < columns; ++k) c.box(k * edge + 2, r * edge + 2, (k + 1) * edge, (r + 1) * edge, colour(r, k));
  return c;
}

Canvas drawn(const Cliff&, const Cliff::State& s) {
  return cells(4, 12, [&](int r, int k) {
    const int cell = r * 12 + k;
    return cell == s[0] ? blue : cell == Cliff::goal ? green : cell > Cliff::start && cell < Cliff::goal ? red : ground;
  });
}

Canvas drawn(const DeepSea& sea, const DeepSea::State& s) {
  return cells(sea.side, sea.side, [&](int r, int k) {
    return r == s[0] && k == s[1] ? blue : r == sea.side - 1 && k == sea.side - 1 ? green : ground;
  });
}

Canvas drawn(const Breakout& game, const Breakout::State& s) {
  float planes[400];
  game.observe(s, planes);
  return cells(10, 10, [&](int r, int k) {
    const int i = 10 * r + k;
    return planes[100 + i] > 0   ? ink
           : planes[i] > 0       ? blue
           : planes[200 + i] > 0 ? pale
           : planes[300 + i] > 0 ? wood
                                 : ground;
  });
}

/// An episode as pictures, and the steps that it took.
struct Film {
  std::vector<Canvas> pictures;
  std::int64_t steps = 0;
};

/// The network's best actions for `most` steps at most.
///   moments  pictures, from the first to the last at equal distances; 0: of every step
template <class D, class Net>
Film episode(const D& dynamics, const Net& net, const Shape& sample, std::uint64_t seed, std::int64_t most,
             std::int64_t moments) {
  Batched<D> environment(1, dynamics, seed);
  std::vector<typename D::State> states;
  for (bool over = false; !over && std::int64_t(states.size()) < most;) {
    states.push_back(environment.state(0));
    Tensor<float> x(sample.inserted(0, 1));
    const auto seen = environment.observation();
    std::copy(seen.begin(), seen.end(), x.data());
    const Tensor<float> q = net(x);
    const std::int32_t action = best_action(q.data(), dynamics.actions());
    const Transitions now = environment.step(std::span(&action, 1));
    over = now.terminated[0] | now.truncated[0];
  }
  const auto steps = std::int64_t(states.size()), count = moments > 0 ? std::min(moments, steps) : steps;
  Film e{{}, steps};
  for (std::int64_t i = 0; i < count; ++i)
    e.pictures.push_back(drawn(dynamics, states[std::size_t(i * (steps - 1) / std::max<std::int64_t>(1, count - 1))]));
  return e;
}

Film episode(const std::string& environment, const std::string& weights, std::uint64_t seed, std::int64_t most,
             std::int64_t moments, std::int32_t side) {
  if (environment == "minatar-breakout") {
    const SafetensorsFile file = SafetensorsFile::open(weights);
    const auto net = load_model<float>(conv_q_spec(4, 10, 10, 6), file, weights);
    return episode(Breakout{}, net, Shape{4, 10, 10}, seed, most, moments);
  }
  const auto net = load_q(weights, environment);
  const auto of = [&](const auto& dynamics) {
    const std::vector<std::int64_t>& widths = net.config.widths;
    if (widths.front() != dynamics.observation_size() || widths.back() != dynamics.actions())
      throw FileError(weights, -1,
                      cat("is a network of ", widths.front(), " numbers and ", widths.back(), " actions; ", environment,
                          " has ", dynamics.observation_size(), " and ", dynamics.actions()));
    return episode(dynamics, net, Shape{dynamics.observation_size()}, seed, most, moments);
  };
  if (environment == "cartpole") return of(CartPole<float>{});
  if (environment == "mountaincar") return of(MountainCar<float>{});
  if (environment == "acrobot") return of(Acrobot<float>{});
  if (environment == "cliff") return of(Cliff{.steps = 200});
  return of(DeepSea{.side = side, .map = 1});
}

}  // namespace

Picture rendered(const std::string& environment, const std::string& weights, std::uint64_t seed, int frames,
                 std::int32_t side) {
  const Film e = episode(environment, weights, seed, frames, 0, side);
  std::vector<std::vector<std::uint8_t>> pixels;
  for (const Canvas& c : e.pictures) pixels.push_back(c.pixels());
  const bool grid = environment == "cliff" || environment == "deepsea";
  const int pause = grid ? 250 : environment == "acrobot" ? 60 : 40;  // ms between frames
  return {apng_encoded(pixels, e.pictures[0].width(), e.pictures[0].height(), 3, pause, 1500), e.steps};
}

Picture strip(const std::string& environment, const std::string& weights, std::uint64_t seed, int frames,
              std::int32_t side) {
  const Film e = episode(environment, weights, seed, 100000, frames, side);
  constexpr int gap = 3;  // white between two pictures
  const int shown = int(e.pictures.size()), width = e.pictures[0].width(), height = e.pictures[0].height();
  const int whole = shown * (width + gap) - gap;
  std::vector<std::uint8_t> pixels(std::size_t(3 * whole * height), 255);
  for (int i = 0; i < shown; ++i)
    for (int y = 0; y < height; ++y)
      std::copy_n(e.pictures[std::size_t(i)].pixels().begin() + 3 * y * width, 3 * width,
                  pixels.begin() + 3 * (y * whole + i * (width + gap)));
  return {png_encoded(pixels, whole, height, 3), e.steps};
}

}  // namespace dqn
