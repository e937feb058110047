// The replay log: what is written is read, what was cut or damaged is dropped or refused, never believed.
#include "tenzo/zo/log.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "../io/files.hpp"

using namespace tenzo;
using zo::Log;
using zo::LogHeader;
using zo::LogStep;
using zo::LogWriter;

namespace {

const LogHeader header{{"slopes", "2"}, {"method", "zo-sgd"}, {"note", "with blanks in it"}, {"lr", "1e-06"}};

const std::vector<LogStep> steps{{0, {0.5, -1.25}},
                                 {1, {1.0 / 3, -0.0}},
                                 {2, {std::numeric_limits<double>::denorm_min(), 1e300}},
                                 {3, {NAN, INFINITY}}};

std::string written(const TestFolder& folder, std::int64_t chosen = -1) {
  LogWriter log;
  log.create(folder / "run.zolog", header);
  for (const LogStep& s : steps) log.append(s);
  if (chosen >= 0) log.finish(std::uint32_t(chosen));
  return read_file(folder / "run.zolog");
}

/// Whether the log holds the first n steps, to the bit.
bool holds(const Log& log, std::size_t n) {
  if (log.steps.size() != n) return false;
  for (std::size_t i = 0; i < n; ++i) {
    if (log.steps[i].step != steps[i].step || log.steps[i].slopes.size() != steps[i].slopes.size()) return false;
    for (std::size_t q = 0; q < steps[i].slopes.size(); ++q)
      if (std::bit_cast<std::uint64_t>(log.steps[i].slopes[q]) != std::bit_cast<std::uint64_t>(steps[i].slopes[q]))
        return false;
  }
  return true;
}

constexpr std::size_t step_bytes = 2 * Log::record_bytes;

}  // namespace

TEST_CASE("log: checksums are CRC-32's") {
  CHECK(zo::detail::crc32(zo::detail::as_bytes("123456789")) == 0xcbf43926u);  // the published check value
  const auto head = zo::detail::crc32(zo::detail::as_bytes("1234"));
  CHECK(zo::detail::crc32(zo::detail::as_bytes("56789"), head) == 0xcbf43926u);
}

TEST_CASE("log: header and slopes come back to the bit, sixteen bytes a slope") {
  const TestFolder folder;
  const std::string bytes = written(folder);
  const Log log = Log::read(folder / "run.zolog");
  CHECK(log.header == header);
  CHECK(holds(log, steps.size()));
  CHECK(log.valid_bytes == bytes.size());
  CHECK(log.chosen == -1);
  const std::size_t start = 16 + Log::header_text(header).size();
  CHECK(bytes.size() == start + steps.size() * step_bytes);
}

TEST_CASE("log: the end says which step was chosen") {
  const TestFolder folder;
  for (const std::int64_t chosen : {0, 3, 4}) {
    written(folder, chosen);
    const Log log = Log::read(folder / "run.zolog");
    CHECK(log.chosen == chosen);
    CHECK(holds(log, steps.size()));
  }
  written(folder, 5);
  CHECK_THROWS_AS(Log::read(folder / "run.zolog"), FileError);
  CHECK_THROWS_AS(Log::parse(written(folder, 4) + "x", "run"), FileError);
}

TEST_CASE("log: cut anywhere, it holds the whole steps before the cut") {
  const TestFolder folder;
  const std::string bytes = written(folder, 4);
  const std::size_t start = 16 + Log::header_text(header).size();
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    CAPTURE(n);
    if (n < start) {
      CHECK_THROWS_AS(Log::parse(bytes.substr(0, n), "run"), FileError);
      continue;
    }
    const std::size_t whole = std::min((n - start) / step_bytes, steps.size());
    const Log log = Log::parse(bytes.substr(0, n), "run");
    CHECK(holds(log, whole));
    CHECK(log.valid_bytes == start + whole * step_bytes);
    CHECK(log.chosen == -1);
  }
}

TEST_CASE("log: damaged anywhere, it is refused or ends before the damage") {
  const TestFolder folder;
  const std::string bytes = written(folder, 4);
  const std::size_t start = 16 + Log::header_text(header).size();
  std::size_t refused = 0;
  for (std::size_t n = 0; n < bytes.size(); ++n)
    for (const int bit : {0, 3, 7}) {
      CAPTURE(n);
      std::string bad = bytes;
      bad[n] = char(bad[n] ^ (1 << bit));
      try {
        const Log log = Log::parse(bad, "run");
        CHECK(n >= start);
        CHECK(log.chosen == -1);
        CHECK(holds(log, std::min((n - start) / step_bytes, steps.size())));
      } catch (const FileError& e) {
        ++refused;
        CHECK(e.path == "run");
        CHECK(e.offset <= std::int64_t(bytes.size()));
      }
    }
  // All but the mark of the end: something is behind it.
  CHECK(refused == 3 * (bytes.size() - Log::record_bytes));
}

TEST_CASE("log: zeros that a stopped system leaves at the end are dropped, and nothing else is") {
  const TestFolder folder;
  const std::string bytes = written(folder);
  const Log log = Log::parse(bytes + std::string(5 * step_bytes + 3, '\0'), "run");
  CHECK(holds(log, steps.size()));
  CHECK(log.valid_bytes == bytes.size());
  CHECK_THROWS_AS(Log::parse(bytes + std::string(5 * step_bytes, '\0') + "x", "run"), FileError);
  // A step that says it is the end, in the middle.
  std::string bad = bytes;
  bad.replace(bytes.size() - 2 * step_bytes, 4, "\xff\xff\xff\xff");
  CHECK_THROWS_AS(Log::parse(bad, "run"), FileError);
}

TEST_CASE("log: a new one does not touch the one before until its header is whole") {
  const TestFolder folder;
  const std::string path = folder / "run.zolog", before = written(folder, 4);
  std::filesystem::create_directory(path + ".new");  // so that it can not be written
  LogWriter log;
  CHECK_THROWS_AS(log.create(path, header), FileError);
  CHECK(read_file(path) == before);
  std::filesystem::remove(path + ".new");
  log.create(path, header);
  CHECK(Log::read(path).steps.empty());
  CHECK(!std::filesystem::exists(path + ".new"));
}

TEST_CASE("log: records that were moved, repeated or left out are found") {
  const TestFolder folder;
  const std::string bytes = written(folder);
  const std::size_t start = 16 + Log::header_text(header).size();
  const auto step = [&](std::size_t i) { return bytes.substr(start + i * step_bytes, step_bytes); };
  const std::string head = bytes.substr(0, start);
  CHECK_THROWS_AS(Log::parse(head + step(1) + step(0) + step(2), "run"), FileError);
  CHECK_THROWS_AS(Log::parse(head + step(0) + step(0) + step(1), "run"), FileError);
  CHECK_THROWS_AS(Log::parse(head + step(0) + step(2) + step(3), "run"), FileError);

  LogWriter skipping;
  skipping.create(folder / "skip.zolog", header);
  skipping.append(steps[0]);
  skipping.append(steps[2]);
  CHECK_THROWS_WITH_AS(
      Log::read(folder / "skip.zolog"),
      cat(folder / "skip.zolog", ": offset ", start + step_bytes, ": step 2 where step 1 belongs").c_str(), FileError);
}

TEST_CASE("log: each record of a step says which step it is") {
  const TestFolder folder;
  LogWriter log;
  log.create(folder / "run.zolog", header);
  std::string bytes = read_file(folder / "run.zolog");
  const std::size_t start = bytes.size();
  for (const std::uint32_t step : {1u, 0u}) {  // of the two slopes of step 0
    std::string payload;
    zo::detail::put(payload, step);
    zo::detail::put(payload, 0.5);
    const auto crc = Log::record_crc(bytes.size(), zo::detail::as_bytes(payload));
    bytes += payload;
    zo::detail::put(bytes, crc);
  }
  CHECK_THROWS_WITH_AS(Log::parse(bytes, "run"), cat("run: offset ", start, ": step 1 where step 0 belongs").c_str(),
                       FileError);
}

TEST_CASE("log: a header is read in time linear in its size") {
  // Four million lines without a key: none is searched beyond its end.
  std::string bytes = "tenzozo1";
  const std::string text = std::string(4'000'000, '\n') + "slopes 1\n";
  zo::detail::put(bytes, std::uint32_t(text.size()));
  bytes += text;
  zo::detail::put(bytes, zo::detail::crc32(zo::detail::as_bytes(bytes)));
  CHECK(Log::parse(bytes, "run").header == LogHeader{{"slopes", "1"}});
}

TEST_CASE("log: a run goes on from the last whole step, and from a chosen end") {
  const TestFolder folder;
  const std::string path = folder / "run.zolog", whole = written(folder);
  for (const std::string& before : {whole.substr(0, whole.size() - 5), written(folder, 2)}) {
    put_file(path, before);
    const Log log = Log::read(path);
    LogWriter more;
    more.resume(path, log);
    CHECK(more.is_open());
    for (std::size_t i = log.steps.size(); i < steps.size(); ++i) more.append(steps[i]);
    more.sync();
    CHECK(read_file(path) == whole);
  }
}

TEST_CASE("log: other files and headers are refused in one sentence") {
  const TestFolder folder;
  CHECK_THROWS_WITH_AS(Log::read(folder / "none"), cat(folder / "none", ": can not be opened").c_str(), FileError);
  for (const std::string& text :
       {std::string(), std::string("tenzozo1"), std::string("tenzozo2") + std::string(40, '\0')})
    CHECK_THROWS_WITH_AS(Log::parse(text, "run"), "run: offset 0: not a replay log", FileError);
  const std::string huge = Bytes().raw("tenzozo1").put(std::uint32_t(0xffffffffu)).put(std::uint64_t(0)).str();
  CHECK_THROWS_WITH_AS(Log::parse(huge, "run"), "run: offset 8: a header of 4294967295 bytes in a file of 20",
                       FileError);
  using namespace std::string_literals;
  for (const std::string& slopes : {""s, "0"s, "-1"s, "two"s, "2000000"s, "2x"s, "2\0x"s, " 2"s}) {
    LogWriter log;
    CHECK_THROWS_AS(log.create(folder / "run.zolog", {{"slopes", slopes}}), FileError);
    std::string bytes = "tenzozo1";
    const std::string text = "slopes " + slopes + "\n";
    zo::detail::put(bytes, std::uint32_t(text.size()));
    bytes += text;
    zo::detail::put(bytes, zo::detail::crc32(zo::detail::as_bytes(bytes)));
    CHECK_THROWS_AS(Log::parse(bytes, "run"), FileError);
  }
  CHECK(folder.count() == 0);
  LogWriter nowhere;
  CHECK_THROWS_AS(nowhere.create(folder / "no/such/folder", header), FileError);
}

TEST_CASE("log: what could not be read back is not written") {
  const TestFolder folder;
  LogWriter log;
  for (const LogHeader& bad : {LogHeader{{"slopes", "2"}, {"task", "a\nslopes 5"}},
                               LogHeader{{"slopes", "2"}, {"a b", "c"}}, LogHeader{{"slopes", "2"}, {"", "c"}}})
    CHECK_THROWS_AS(log.create(folder / "run.zolog", bad), ValueError);
  log.create(folder / "run.zolog", header);
  CHECK_THROWS_AS(log.append({0, {1.0}}), ValueError);
  CHECK_THROWS_AS(log.append({0, {1.0, 2.0, 3.0}}), ValueError);
  log.append(steps[0]);
  CHECK(Log::read(folder / "run.zolog").steps.size() == 1);
}

TEST_CASE("log: an end between two steps is none") {
  const TestFolder folder;
  std::string bytes = written(folder), end;
  zo::detail::put(end, Log::end_mark);
  zo::detail::put(end, 1.5);
  zo::detail::put(end, Log::record_crc(bytes.size(), zo::detail::as_bytes(end)));
  CHECK_THROWS_AS(Log::parse(bytes + end, "run"), FileError);
}
