// A small picture to draw on: lines and discs with soft edges.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace dqn {

struct Colour {
  double red, green, blue;  // 0 to 255
};

class Canvas {
 public:
  Canvas(int width, int height, Colour ground)
      : width_(width), height_(height), pixels_(std::size_t(3 * width * height)) {
    for (int i = 0; i < width * height; ++i) put(i, ground, 1);
  }

  int width() const { return width_; }
  int height() const { return height_; }
  const std::vector<std::uint8_t>& pixels() const { return pixels_; }

  /// Pixels within `radius` of the line from (x0, y0) to (x1, y1); a disc where both ends are one.
  void line(double x0, double y0, double x1, double y1, double radius, Colour c) {
    const double length = std::max(1e-12, (x1 - x0) * (x1 - x0) + (y1 - y0) * (y1 - y0));
    paint(std::min(x0, x1) - radius, std::min(y0, y1) - radius, std::max(x0, x1) + radius, std::max(y0, y1) + radius, c,
          [&](double x, double y) {
            const double t = std::clamp(((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length, 0.0, 1.0);
            return radius - std::hypot(x - x0 - t * (x1 - x0), y - y0 - t * (y1 - y0));
          });
  }

  /// A rectangle of these two corners.
  void box(double left, double top, double right, double bottom, Colour c) {
    paint(left, top, right, bottom, c, [&](double x, double y) {
      return std::min({x - left, right - x, y - top, bottom - y});
    });
  }

 private:
  /// Colours pixels by how far within they are.
  template <class F>
  void paint(double left, double top, double right, double bottom, Colour c, F&& inside) {
    for (int y = std::max(0, int(top) - 1); y < std::min(height_, int(bottom) + 2); ++y)
      for (int x = std::max(0, int(left) - 1); x < std::min(width_, int(right) + 2); ++x)
        put(y * width_ + x, c, std::clamp(inside(x + 0.5, y + 0.5) + 0.5, 0.0, 1.0));
  }

  void put(int i, Colour c, double share) {
    std::uint8_t* const p = pixels_.data() + 3 * i;
    const double parts[] = {c.red, c.green, c.blue};
    for (int k = 0; k < 3; ++k) p[k] = std::uint8_t(std::lround(p[k] + share * (parts[k] - p[k])));
  }

  int width_, height_;
  std::vector<std::uint8_t> pixels_;
};

}  // namespace dqn
