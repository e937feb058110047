// Any bytes are a replay log of whole steps or a FileError. Checksums keep a fuzzer out of all behind them, so the
// input is read a second time as what they guard: a byte of length, a header of that length, and records of twelve
// bytes.
#include "tenzo/zo/log.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "one_line.hpp"

using namespace tenzo;
using zo::Log;

namespace {

void check(const std::string& bytes) {
  Log log;
  try {
    log = Log::parse(bytes, "input");
  } catch (const FileError& e) {
    return check_one_line(e);
  }
  const std::size_t slopes = Log::slopes_per_step(log.header, "input");
  for (const zo::LogStep& s : log.steps)
    if (s.slopes.size() != slopes || &s - log.steps.data() != s.step) std::abort();
  if (log.valid_bytes > bytes.size() || log.chosen > std::int64_t(log.steps.size())) std::abort();
  // What is kept of a cut log is a log of the same steps.
  const Log again = Log::parse(bytes.substr(0, log.valid_bytes), "input");
  if (again.steps.size() != log.steps.size() || again.header != log.header || again.chosen != -1) std::abort();
}

std::string with_checksums(std::string text, std::string records) {
  std::string bytes = "tenzozo1";
  zo::detail::put(bytes, std::uint32_t(text.size()));
  bytes += text;
  zo::detail::put(bytes, zo::detail::crc32(zo::detail::as_bytes(bytes)));
  for (std::size_t at = 0; at + 12 <= records.size(); at += 12) {
    const std::string payload = records.substr(at, 12);
    const auto crc = Log::record_crc(bytes.size(), zo::detail::as_bytes(payload));
    bytes += payload;
    zo::detail::put(bytes, crc);
  }
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  check(bytes);
  if (size == 0) return 0;
  const std::size_t header = std::min<std::size_t>(data[0], size - 1);
  check(with_checksums(bytes.substr(1, header), bytes.substr(1 + header)));
  return 0;
}
