// Data of tasks: any bytes end in FileError or in examples with a label among their candidates. The first byte chooses
// the task; the text says itself whether it is a table, JSON lines or rated texts.
#include "tenzo/io/task.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "one_line.hpp"

using namespace tenzo;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto& tasks = all_tasks();
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    std::size_t bytes = 0;
    for (const TextExample& e : parse_examples(tasks[data[0] % tasks.size()], text, "input")) {
      if (e.label < 0 || std::size_t(e.label) >= e.candidates.size()) std::abort();
      bytes += e.prompt.size() + e.text.size();
      for (const std::string& c : e.candidates) bytes += c.size();
    }
    // Templates add some hundred bytes to an example of at least two, and quote a field a few times.
    if (bytes > 200 * size + 1000) std::abort();
  } catch (const FileError& e) {
    check_one_line(e);
  }
  return 0;
}
