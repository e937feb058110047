// Any text is a table of finite numbers, or a FileError; so are its rows as labelled vectors, and the lists of
// pictures.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "one_line.hpp"
#include "tenzo/data/celeba.hpp"
#include "tenzo/data/csv.hpp"

using namespace tenzo;

namespace {

template <class F>
void one_line_or(F&& f) {
  try {
    f();
  } catch (const FileError& e) {
    check_one_line(e);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  one_line_or([&] {
    const Tensor<float> t = parse_csv(text, "input");
    if (t.size() > std::int64_t(size)) std::abort();
    for (const float x : t.values())
      if (!std::isfinite(x)) std::abort();
    if (t.shape()[1] > 1) csv_samples(t, Shape{t.shape()[1] - 1}, 255, "input");
  });
  one_line_or([&] {
    const auto parts = parse_celeba_parts(text, "input");
    for (const auto& part : {parse_celeba(text, "input", "Male", parts, "folder")})
      for (const LabelledFile& f : part.train)
        if (f.label < 0 || f.label > 1 || f.path.find("/../") != std::string::npos) std::abort();
  });
  one_line_or([&] { tiny_imagenet_files(text, "input", "folder", {"n01", "n02"}); });
  return 0;
}
